package decode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The values a pickle is read into: string (bytes too), int, bool, nil, pickledTuple, *pickledList, map[string]any and
// *pickledArray. Lists and arrays are pointers because a pickle may refer to them again.
type (
	pickledTuple []any
	pickledList  struct{ items []any }
	pickledArray struct {
		dtype   string // without the byte order: "u1"
		shape   []int
		fortran bool
		data    []byte
	}
	pickledGlobal string // "module name"
	pickledDType  struct{ name string }
	pickledMark   struct{}
)

var errPickleCut = errors.New("pickle: the data end early")

// unpickleDict reads a pickle of a dict with text keys. Nothing is executed: of functions and classes only those are
// known that make a NumPy array of numbers, and they are imitated; any other is an error.
func unpickleDict(data []byte) (map[string]any, error) {
	p := &unpickler{rest: data, memo: map[int]any{}, spare: 2*len(data) + 1024}
	for {
		op, err := p.take(1)
		if err != nil {
			return nil, err
		}
		if op[0] == '.' {
			break
		}
		if err := p.step(op[0]); err != nil {
			return nil, err
		}
	}
	top, err := p.pop()
	if err != nil {
		return nil, err
	}
	dict, ok := top.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("pickle: expected a dict, found %T", top)
	}
	return dict, nil
}

// unpickler is the stack machine that a pickle is a program for.
type unpickler struct {
	rest  []byte
	stack []any
	memo  map[int]any
	spare int // bytes that arrays may still take, so that a hostile pickle cannot copy one text again and again
}

func (p *unpickler) take(n int) ([]byte, error) {
	if n < 0 || n > len(p.rest) {
		return nil, errPickleCut
	}
	taken := p.rest[:n]
	p.rest = p.rest[n:]
	return taken, nil
}

// number reads a little-endian unsigned number of n bytes.
func (p *unpickler) number(n int) (int, error) {
	b, err := p.take(n)
	if err != nil {
		return 0, err
	}
	var wide [8]byte
	copy(wide[:], b)
	v := binary.LittleEndian.Uint64(wide[:])
	if v > math.MaxInt {
		return 0, errPickleCut // only lengths are that wide
	}
	return int(v), nil
}

// counted reads bytes that follow their length, a number of n bytes.
func (p *unpickler) counted(n int) ([]byte, error) {
	length, err := p.number(n)
	if err != nil {
		return nil, err
	}
	return p.take(length)
}

func (p *unpickler) line() (string, error) {
	i := bytes.IndexByte(p.rest, '\n')
	if i < 0 {
		return "", errPickleCut
	}
	text := string(p.rest[:i])
	p.rest = p.rest[i+1:]
	return strings.TrimSuffix(text, "\r"), nil
}

func (p *unpickler) push(v any) { p.stack = append(p.stack, v) }

func (p *unpickler) pop() (any, error) {
	if len(p.stack) == 0 {
		return nil, errors.New("pickle: nothing on the stack")
	}
	v := p.stack[len(p.stack)-1]
	p.stack = p.stack[:len(p.stack)-1]
	return v, nil
}

func (p *unpickler) popN(n int) ([]any, error) {
	if n > len(p.stack) {
		return nil, errors.New("pickle: nothing on the stack")
	}
	at := len(p.stack) - n
	values := append([]any(nil), p.stack[at:]...)
	p.stack = p.stack[:at]
	return values, nil
}

// popMark takes everything above the last mark.
func (p *unpickler) popMark() ([]any, error) {
	for i := len(p.stack) - 1; i >= 0; i-- {
		if _, ok := p.stack[i].(pickledMark); ok {
			values, err := p.popN(len(p.stack) - i)
			return values[1:], err
		}
	}
	return nil, errors.New("pickle: no mark on the stack")
}

// step carries out one opcode. The letters are Python's own (pickletools.py names them).
func (p *unpickler) step(op byte) error {
	switch op {
	case 0x80: // PROTO
		_, err := p.take(1)
		return err
	case 0x95: // FRAME
		_, err := p.take(8)
		return err
	case '(':
		p.push(pickledMark{})
	case '}':
		p.push(map[string]any{})
	case ']':
		p.push(&pickledList{})
	case ')':
		p.push(pickledTuple{})
	case 'N':
		p.push(nil)
	case 0x88, 0x89: // NEWTRUE, NEWFALSE
		p.push(op == 0x88)
	case 'K', 'M', 'J', 'I', 'L', 0x8a:
		return p.pushInt(op)
	case 'U', 'T', 'X', 'C', 'B', 0x8c, 0x8d, 0x8e, 0x96, 'S', 'V':
		return p.pushString(op)
	case 'q', 'r', 'p', 0x94, 'h', 'j', 'g':
		return p.remember(op)
	case 'a', 'e', 's', 'u', 't', 'l', 'd', 0x85, 0x86, 0x87:
		return p.collect(op)
	case 'c', 0x93, 'R', 'b':
		return p.construct(op)
	default:
		return fmt.Errorf("pickle: opcode %q is not one of a CIFAR archive's", op)
	}
	return nil
}

// remember puts the top of the stack into the memo, or pushes what is there.
func (p *unpickler) remember(op byte) error {
	key, err := 0, error(nil)
	switch op {
	case 'q', 'h':
		key, err = p.number(1)
	case 'r', 'j':
		key, err = p.number(4)
	case 'p', 'g':
		var text string
		if text, err = p.line(); err == nil {
			key, err = strconv.Atoi(text)
		}
	case 0x94: // MEMOIZE
		key = len(p.memo)
	}
	if err != nil {
		return err
	}
	if op == 'h' || op == 'j' || op == 'g' {
		v, ok := p.memo[key]
		if !ok {
			return fmt.Errorf("pickle: nothing remembered as %d", key)
		}
		p.push(v)
		return nil
	}
	if len(p.stack) == 0 {
		return errors.New("pickle: nothing on the stack")
	}
	p.memo[key] = p.stack[len(p.stack)-1]
	return nil
}

// collect puts values from the stack into tuples, lists and dicts.
func (p *unpickler) collect(op byte) error {
	var values []any
	var err error
	switch op {
	case 'a':
		values, err = p.popN(1)
	case 's':
		values, err = p.popN(2)
	case 0x85, 0x86, 0x87:
		values, err = p.popN(int(op) - 0x84)
	default:
		values, err = p.popMark()
	}
	if err != nil {
		return err
	}
	switch op {
	case 't', 0x85, 0x86, 0x87:
		p.push(pickledTuple(values))
		return nil
	case 'l':
		p.push(&pickledList{values})
		return nil
	case 'd':
		p.push(map[string]any{})
	}
	top, err := p.pop()
	if err != nil {
		return err
	}
	p.push(top)
	switch into := top.(type) {
	case *pickledList:
		if op == 'a' || op == 'e' {
			into.items = append(into.items, values...)
			return nil
		}
	case map[string]any:
		if op == 'a' || op == 'e' || len(values)%2 != 0 {
			break
		}
		for i := 0; i < len(values); i += 2 {
			key, ok := values[i].(string)
			if !ok {
				return fmt.Errorf("pickle: a dict key of type %T", values[i])
			}
			into[key] = values[i+1]
		}
		return nil
	}
	return fmt.Errorf("pickle: %d values put into a %T", len(values), top)
}
