package stages

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline/progress"
	"tlpipe/savedmodels"
	"tlpipe/stages/formats"
)

func testCheckpoints(t *testing.T) (*checkpoints, *events) {
	seen := &events{}
	return &checkpoints{dir: t.TempDir(), report: progress.NewReporter("test", seen)}, seen
}

func testState(v float32) formats.State {
	return formats.State{
		"kernel": floatTensor([]float32{v, -v, 0.1, 1e-30}, 2, 2), "step": int64Scalar(int64(v)), "learning_rate": float32Scalar(v),
		"mask": {DType: savedmodels.Uint8, Shape: []int64{3}, Data: []byte{1, 2, 3}},
		"left": {DType: savedmodels.Int32, Shape: []int64{0}, Data: []byte{}},
	}
}

// at is the state of a training after so many steps of two an epoch; the best epoch is the first.
func at(step int64, best formats.State) *formats.TrainingState {
	loss, accuracy := 0.1, 0.7
	t := &formats.TrainingState{Step: step, Loss: 1.0 / 3 * float64(step), Correct: 3, Images: 7}
	for epoch := int64(1); epoch <= step/2; epoch++ {
		t.History = append(t.History, formats.EpochResult{Epoch: int(epoch), Step: 2 * epoch, Loss: 0.3, ValLoss: &loss, ValAccuracy: &accuracy})
	}
	if len(t.History) > 0 {
		t.Best = &formats.BestWeights{Epoch: 1, Digest: best.Digest()}
	}
	return t
}

func TestCheckpointRoundTrip(t *testing.T) {
	c, seen := testCheckpoints(t)
	best := testState(2)
	for step := int64(1); step <= 11; step++ {
		if err := c.save(at(step, best), testState(float32(step)), best); err != nil {
			t.Fatal(err)
		}
	}
	got := filesIn(t, c.dir)
	want := []string{bestName(best.Digest()), "checkpoint-000006-0000000010.safetensors", "checkpoint-000006-0000000011.safetensors"}
	if !cmp.Equal(got, want) {
		t.Errorf("files %v, want %v", got, want)
	}
	state, variables, loadedBest, err := c.load()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(at(11, best), state); diff != "" {
		t.Errorf("training state (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(testState(11), variables); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(best, loadedBest); diff != "" {
		t.Errorf("best (-want +got):\n%s", diff)
	}
	if seen.count(progress.Completed) != 11 || seen.count(progress.Warning) != 0 {
		t.Errorf("events %+v", seen.list)
	}
}

func TestCheckpointNone(t *testing.T) {
	c, _ := testCheckpoints(t)
	if err := os.WriteFile(filepath.Join(c.dir, ".checkpoint-000001-0000000001.safetensors.tmp"), []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	if state, _, _, err := c.load(); state != nil || err != nil {
		t.Errorf("load = %v, %v", state, err)
	}
}

// Best weights that no kept checkpoint names are dropped, the others are not written again.
func TestCheckpointBestWeights(t *testing.T) {
	c, _ := testCheckpoints(t)
	for i := range 4 {
		best := testState(float32(i))
		if err := c.save(at(int64(2+i), best), testState(9), best); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := names(c.dir, "best-"); len(got) != 2 {
		t.Errorf("best weights kept: %v", got)
	}
}

func TestCheckpointDamage(t *testing.T) {
	best := testState(2)
	for name, damage := range map[string]func(file []byte) []byte{
		"empty":   func([]byte) []byte { return nil },
		"short":   func(file []byte) []byte { return file[:len(file)-1] },
		"flipped": func(file []byte) []byte { file[len(file)-1] ^= 1; return file },
		"header":  func(file []byte) []byte { file[10] ^= 1; return file },
		"length":  func(file []byte) []byte { file[3] = 0xff; return file },
		"other kind": func(file []byte) []byte {
			return []byte(strings.Replace(string(file), "checkpoint 1", "checkpoint 2", 1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, seen := testCheckpoints(t)
			for step := int64(5); step <= 6; step++ {
				if err := c.save(at(step, best), testState(float32(step)), best); err != nil {
					t.Fatal(err)
				}
			}
			damageFile(t, filepath.Join(c.dir, checkpointName(at(6, best))), damage)
			state, _, _, err := c.load()
			if err != nil || state == nil || state.Step != 5 {
				t.Fatalf("load = %+v, %v", state, err)
			}
			if got := seen.texts(progress.Warning); !strings.Contains(got, checkpointName(at(6, best))+" cannot be used") {
				t.Errorf("warning %q", got)
			}
		})
	}
	t.Run("best", func(t *testing.T) {
		c, _ := testCheckpoints(t)
		if err := c.save(at(6, best), testState(6), best); err != nil {
			t.Fatal(err)
		}
		damageFile(t, filepath.Join(c.dir, bestName(best.Digest())), func(file []byte) []byte { return file[:100] })
		if state, _, _, err := c.load(); state != nil || err != nil {
			t.Errorf("a checkpoint without its best weights was used: %+v, %v", state, err)
		}
	})
}

func damageFile(t *testing.T, path string, damage func([]byte) []byte) {
	t.Helper()
	file, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, damage(file), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
