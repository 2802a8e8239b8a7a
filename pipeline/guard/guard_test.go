package guard

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	var none []int
	for name, c := range map[string]struct {
		f    func() error
		want string // a part of the error
	}{
		"nothing":          {func() error { return nil }, ""},
		"an error":         {func() error { return io.EOF }, "EOF"},
		"out of range":     {func() error { none[0] = 1; return nil }, "a fault of tlpipe itself: runtime error: index out of range [0] with length 0, in tlpipe/pipeline/guard.TestRun.func"},
		"a text":           {func() error { panic("no way") }, "a fault of tlpipe itself: no way, in tlpipe/pipeline/guard.TestRun.func"},
		"in a library":     {func() error { _ = slices.Max(none); return nil }, ", in slices.Max"},
		"with a good deed": {func() error { defer func() {}(); panic(io.ErrClosedPipe) }, "closed pipe"},
	} {
		err := Run(c.f)
		if c.want == "" && err == nil {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %q", name, err, c.want)
		}
		var p *Panic
		if errors.As(err, &p) && !strings.Contains(string(p.Stack), "TestRun") {
			t.Errorf("%s: the stack is %s", name, p.Stack)
		}
	}
}
