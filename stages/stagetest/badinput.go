package stagetest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// BadInput is something broken or odd. want is a part of the error or reason it must give; "" where it must be taken.
type BadInput struct {
	Name string
	Data []byte
	Want string
}

// TryBadInput gives try each of the cases and compares what becomes of them.
func TryBadInput(t *testing.T, group string, cases []BadInput, try func(t *testing.T, data []byte) error) {
	for _, c := range cases {
		t.Run(group+"/"+c.Name, func(t *testing.T) {
			err := try(t, c.Data)
			if (err != nil) != (c.Want != "") || err != nil && !strings.Contains(err.Error(), c.Want) {
				t.Errorf("got error %.300v, want %q", err, c.Want)
			}
		})
	}
}

// Cuts are the beginnings of data up to some of its bytes.
func Cuts(name string, data []byte, want string, at ...int) (cases []BadInput) {
	for _, n := range at {
		cases = append(cases, BadInput{fmt.Sprintf("%s cut at %d", name, n), data[:n:n], want})
	}
	return cases
}

// Flipped is data with one byte changed.
func Flipped(data []byte, at int) []byte {
	changed := bytes.Clone(data)
	changed[at] ^= 0x55
	return changed
}

// Bad is a case of bad input.
func Bad(name string, data []byte, want string) BadInput {
	return BadInput{name, data, want}
}
