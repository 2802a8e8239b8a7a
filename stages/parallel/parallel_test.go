package parallel

import (
	"strings"
	"testing"
)

// A panic in what fills a batch is that batch's error.
func TestPanic(t *testing.T) {
	for _, err := range Ordered(t.Context(), 3, 1, func() []int { return nil }, func(batch []int, i int) error {
		if i == 1 {
			batch[0] = 1
		}
		return nil
	}) {
		if err != nil {
			if want := "part 2 of 3: a fault of tlpipe itself: runtime error: index out of range [0] with length 0, in tlpipe/stages/parallel.TestPanic"; !strings.HasPrefix(err.Error(), want) {
				t.Errorf("error %v", err)
			}
			return
		}
	}
	t.Error("the panic is lost")
}
