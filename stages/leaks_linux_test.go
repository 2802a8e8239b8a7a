package stages

import (
	"os"
	"runtime"
	"testing"

	"tlpipe/stages/formats"
)

// TestTrainingLeaks trains for more than 1,000 steps: goroutines and open files at the end are those of the beginning.
func TestTrainingLeaks(t *testing.T) {
	const window = 50                                                  // steps; the goroutine of a finished epoch may still be ending at any one of them
	b := newBed(t, func(c *Config) { c.Stages.FineTune.Epochs = 250 }) // of 5 steps
	b.run("normalize", "featurize")
	goroutines, files := map[int]int{}, map[int]int{}
	b.runtime.before = func(signature string, n int) error {
		if signature == "train_step" {
			open, err := os.ReadDir("/proc/self/fd")
			if err != nil {
				return err
			}
			fewest(goroutines, n/window, runtime.NumGoroutine())
			fewest(files, n/window, len(open))
		}
		return nil
	}
	b.run("fine-tune")
	first, last := 100/window, 1200/window
	if goroutines[first] != goroutines[last] || files[first] != files[last] || files[last] == 0 {
		t.Errorf("after 100 steps %d goroutines and %d open files, after 1,200 steps %d and %d",
			goroutines[first], files[first], goroutines[last], files[last])
	}
}

// fewest keeps the smaller value.
func fewest(values map[int]int, key, value int) {
	if old, ok := values[key]; !ok || value < old {
		values[key] = value
	}
}

// TestPass reads rows behind Pass, in both directions.
func TestPass(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 {
		if err := formats.WriteArray(dir+"/"+formats.ShardName("x", i), "|u1", []int{2, 1}, []byte{byte(2 * i), byte(2*i + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := formats.OpenShards(dir, "x", 2, 6)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, at := range []int{0, 3, 5, 1, 4, 0} {
		if err := s.Pass(at); err != nil {
			t.Fatal(err)
		}
		for row := range 6 {
			if got := s.Row(row)[0]; int(got) != row {
				t.Errorf("at %d: row %d is %d", at, row, got)
			}
		}
	}
}
