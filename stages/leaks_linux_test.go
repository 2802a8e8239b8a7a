package stages

import (
	"os"
	"runtime"
	"testing"
)

// TestTrainingLeaks trains for more than 1,000 steps: there are no more goroutines and open files at the end than at the beginning.
func TestTrainingLeaks(t *testing.T) {
	const window = 50                                                  // steps; the goroutine of a finished epoch may still be ending at any one of them
	b := newBed(t, func(c *Config) { c.Stages.FineTune.Epochs = 250 }) // of 5 steps
	b.run("normalize", "featurize")
	goroutines, files := map[int]int{}, map[int]int{}
	b.runtime.Before = func(signature string, n int) error {
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
	if goroutines[last] > goroutines[first] || files[last] > files[first] || files[last] == 0 {
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
