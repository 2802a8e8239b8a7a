package evaluate

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
	"tlpipe/stages/formats"
)

// One image of a few may lie so near the boundary that rounding flips it.
func TestServedModelMayFlipOneImage(t *testing.T) {
	for _, c := range []struct {
		served, flipped int
		want            int // exit code
	}{{20, 0, exit.Done}, {20, 1, exit.Done}, {20, 2, exit.Gate}, {3, 1, exit.Done}, {3, 2, exit.Gate}, {500, 10, exit.Done}, {500, 11, exit.Gate}} {
		agreement := formats.Round(1 - float64(c.flipped)/float64(c.served))
		dir := t.TempDir()
		if err := formats.WriteJSON(filepath.Join(dir, "metrics.json"), formats.Report{Served: c.served, ServedAgreement: &agreement}); err != nil {
			t.Fatal(err)
		}
		err := (&Settings{}).Check(store.Artifact{Dir: dir})
		if exit.Code(err) != c.want {
			t.Errorf("%d of %d flipped: %v, want exit code %d", c.flipped, c.served, err, c.want)
		}
	}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		n, k int
		want []int
	}{{10, 3, []int{0, 3, 6}}, {3, 10, []int{0, 1, 2}}, {5, 0, []int{}}} {
		if got := spread(c.n, c.k); !cmp.Equal(got, c.want) {
			t.Errorf("spread(%d, %d) = %v, want %v", c.n, c.k, got, c.want)
		}
	}
}
