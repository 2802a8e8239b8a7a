package decode

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// pushInt carries out the opcodes of numbers.
func (p *unpickler) pushInt(op byte) error {
	var v int
	var err error
	switch op {
	case 'K':
		v, err = p.number(1)
	case 'M':
		v, err = p.number(2)
	case 'J':
		v, err = p.number(4)
		v = int(int32(uint32(v)))
	case 'I', 'L':
		var text string
		if text, err = p.line(); err != nil {
			return err
		}
		if op == 'I' && (text == "00" || text == "01") {
			p.push(text == "01")
			return nil
		}
		v, err = strconv.Atoi(strings.TrimSuffix(text, "L"))
	case 0x8a: // LONG1
		var b []byte
		if b, err = p.counted(1); err != nil {
			return err
		}
		if len(b) > 8 {
			return fmt.Errorf("pickle: a number of %d bytes", len(b))
		}
		var wide [8]byte
		copy(wide[:], b)
		if len(b) > 0 && b[len(b)-1] >= 0x80 { // negative: extend the sign
			for i := len(b); i < 8; i++ {
				wide[i] = 0xff
			}
		}
		v = int(int64(binary.LittleEndian.Uint64(wide[:])))
	}
	if err != nil {
		return fmt.Errorf("pickle: number: %w", err)
	}
	p.push(v)
	return nil
}

// pushString carries out the opcodes of texts and bytes, which are not told apart.
func (p *unpickler) pushString(op byte) error {
	var b []byte
	var err error
	switch op {
	case 'U', 'C', 0x8c:
		b, err = p.counted(1)
	case 'T', 'X', 'B':
		b, err = p.counted(4)
	case 0x8d, 0x8e, 0x96:
		b, err = p.counted(8)
	case 'S', 'V':
		var text string
		if text, err = p.line(); err != nil {
			return err
		}
		if op == 'S' && len(text) >= 2 {
			text = text[1 : len(text)-1] // the quotes
		}
		if strings.Contains(text, `\`) {
			return errors.New("pickle: an escaped string")
		}
		b = []byte(text)
	}
	if err != nil {
		return err
	}
	p.push(string(b))
	return nil
}
