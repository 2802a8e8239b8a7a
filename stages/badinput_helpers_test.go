package stages

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// badInput is something broken or odd. want is a part of the error or reason it must give; "" where it must be taken.
type badInput struct {
	name string
	data []byte
	want string
}

// tryAll gives try each of the cases and compares what becomes of them.
func tryAll(t *testing.T, group string, cases []badInput, try func(t *testing.T, data []byte) error) {
	for _, c := range cases {
		t.Run(group+"/"+c.name, func(t *testing.T) {
			err := try(t, c.data)
			if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %.300v, want %q", err, c.want)
			}
		})
	}
}

// cuts are the beginnings of data up to some of its bytes.
func cuts(name string, data []byte, want string, at ...int) (cases []badInput) {
	for _, n := range at {
		cases = append(cases, badInput{fmt.Sprintf("%s cut at %d", name, n), data[:n:n], want})
	}
	return cases
}

func flipped(data []byte, at int) []byte {
	changed := bytes.Clone(data)
	changed[at] ^= 0x55
	return changed
}
