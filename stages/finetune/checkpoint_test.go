package finetune

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline/progress"
	"tlpipe/savedmodels"
	"tlpipe/stages/examples"
	"tlpipe/stages/formats"
	"tlpipe/stages/stagetest"
)

func testCheckpoints(t *testing.T) (*checkpoints, *stagetest.Events) {
	seen := &stagetest.Events{}
	return &checkpoints{dir: t.TempDir(), report: progress.NewReporter("test", seen)}, seen
}

func testState(v float32) formats.State {
	return formats.State{
		"kernel": stagetest.FloatTensor([]float32{v, -v, 0.1, 1e-30}, 2, 2), "step": examples.Int64Scalar(int64(v)), "learning_rate": examples.Float32Scalar(v),
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
	got := stagetest.FilesIn(t, c.dir)
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
	if seen.Count(progress.Completed) != 11 || seen.Count(progress.Warning) != 0 {
		t.Errorf("events %+v", seen.List)
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
			stagetest.DamageFile(t, filepath.Join(c.dir, checkpointName(at(6, best))), damage)
			state, _, _, err := c.load()
			if err != nil || state == nil || state.Step != 5 {
				t.Fatalf("load = %+v, %v", state, err)
			}
			if got := seen.Texts(progress.Warning); !strings.Contains(got, checkpointName(at(6, best))+" cannot be used") {
				t.Errorf("warning %q", got)
			}
		})
	}
	t.Run("best", func(t *testing.T) {
		c, _ := testCheckpoints(t)
		if err := c.save(at(6, best), testState(6), best); err != nil {
			t.Fatal(err)
		}
		stagetest.DamageFile(t, filepath.Join(c.dir, bestName(best.Digest())), func(file []byte) []byte { return file[:100] })
		if state, _, _, err := c.load(); state != nil || err != nil {
			t.Errorf("a checkpoint without its best weights was used: %+v, %v", state, err)
		}
	})
}

func TestNotFinite(t *testing.T) {
	for v, want := range map[float32]int{1: -1, float32(math.NaN()): 1, float32(math.Inf(-1)): 1, math.MaxFloat32: -1} {
		if got := formats.NotFinite(stagetest.FloatTensor([]float32{0, v, 0}).Data); got != want {
			t.Errorf("notFinite of %v = %d, want %d", v, got, want)
		}
	}
}
