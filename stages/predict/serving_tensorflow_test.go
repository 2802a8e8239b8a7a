//go:build !notensorflow

package predict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tlpipe/savedmodels"
	"tlpipe/savedmodels/tfruntime"
	"tlpipe/stages/formats"
	"tlpipe/stages/imagefile"
	"tlpipe/stages/machine"
)

// pictures is the folder of small ones of each kind.
const pictures = "../imagefile/testdata/"

// TestServing asks for image files of many sizes and kinds what predict answers and what the served signatures answer.
func TestServing(t *testing.T) {
	python, err := filepath.Abs("../../.deps/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	suffix, files := exportForServing(t, python), picturesToServe(t)
	type setting struct {
		name       string
		decoded    [3]int
		resize     string
		crop       int
		background imagefile.Background
		files      []string
	}
	settings := []setting{
		{"antialiased", [3]int{48, 48, 3}, "antialias", 0, nil, files},
		{"cropped", [3]int{48, 48, 3}, "antialias", 40, nil, files[:8]},
		{"bilinear", [3]int{56, 56, 3}, "bilinear", 48, nil, files},
		{"gray", [3]int{40, 40, 1}, "antialias", 0, nil, files},
		{"not scaled", [3]int{48, 48, 3}, "", 0, nil, files[:8]},
		{"other files", [3]int{48, 48, 3}, "", 0, nil, []string{pictures + "animated.webp", "serving_tensorflow_test.go"}},
		{"on white", [3]int{48, 48, 3}, "antialias", 0, imagefile.White, files},
		{"on a color, gray", [3]int{40, 40, 1}, "bilinear", 32, imagefile.Background{10, 200, 30}, files},
		{"no square", [3]int{48, 47, 3}, "", 30, nil, files},
	}
	list := map[string][]string{}
	predicted := map[string][]Prediction{}
	for _, s := range settings {
		dir := filepath.Join(t.TempDir(), s.name)
		trainedForServing(t, suffix, dir, &formats.Trained{Decoded: s.decoded, Resize: s.resize, Background: s.background, Recipe: formats.Recipe{Crop: s.crop}, Threads: 2})
		list[dir] = s.files
		predicted[dir] = predictServed(t, dir, s.files)
	}
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "list.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	served := askServed(t, python, path, list)
	for dir, want := range predicted {
		compareServed(t, filepath.Base(dir), list[dir], want, served[dir])
	}
	servingRefuses(t, suffix)
}

// servingRefuses gives pixels of channels that mean nothing.
func servingRefuses(t *testing.T, dir string) {
	t.Helper()
	model, err := tfruntime.New().Load(dir, savedmodels.Options{Device: "cpu", Threads: 2, Precision: "float32"})
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	for channels, want := range []string{1: "", 2: "received] [2]", 3: "", 4: "", 5: "received] [5]"} {
		if channels == 0 {
			continue
		}
		images := savedmodels.Tensor{DType: savedmodels.Uint8, Shape: []int64{2, 5, 9, int64(channels)}, Data: make([]byte, 2*5*9*channels)}
		_, err := model.Run(t.Context(), "serving_default", map[string]savedmodels.Tensor{"images": images})
		if want != "" && (err == nil || !strings.Contains(err.Error(), "expected images of 1 channel (gray), 3 (RGB) or 4 (RGB and alpha), "+want)) || want == "" && err != nil {
			t.Errorf("%d channels: %v", channels, err)
		}
	}
}

// servedAnswer is what serving.py prints: probabilities, or an error.
type servedAnswer struct{ Bytes, Pixels json.RawMessage }

func askServed(t *testing.T, python, path string, list map[string][]string) map[string][]servedAnswer {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), python, "../../savedmodels/testdata/serving.py", path)
	cmd.Env = append(os.Environ(), "TF_CPP_MIN_LOG_LEVEL=2", "CUDA_VISIBLE_DEVICES=")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.Bytes())
	}
	if strings.Contains(stderr.String(), "failed") {
		t.Errorf("TensorFlow complains: %s", stderr.String())
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	answers := map[string][]servedAnswer{}
	for _, dir := range sortedDirs(list) {
		for range len(list[dir]) {
			var a servedAnswer
			if err := json.Unmarshal([]byte(lines[0]), &a); err != nil {
				t.Fatal(err)
			}
			answers[dir], lines = append(answers[dir], a), lines[1:]
		}
	}
	if len(lines) > 0 {
		t.Fatalf("%d lines more than files", len(lines))
	}
	return answers
}

func sortedDirs(list map[string][]string) []string {
	var dirs []string
	for dir := range list {
		dirs = append(dirs, dir)
	}
	slices.Sort(dirs)
	return dirs
}

func compareServed(t *testing.T, setting string, files []string, want []Prediction, got []servedAnswer) {
	t.Helper()
	seen := 0.0
	for i, file := range files {
		name := fmt.Sprintf("%s: %s", setting, filepath.Base(file))
		if strings.HasPrefix(setting, "on ") && strings.HasSuffix(file, "transparent.gif") {
			continue // TensorFlow gives black for what is transparent in a GIF, and does not say where
		}
		answers := map[string]json.RawMessage{"serving_bytes": got[i].Bytes}
		if !strings.HasPrefix(filepath.Base(file), "orientation") && !strings.Contains(file, ".jpg") && !strings.Contains(file, "gray-alpha") {
			answers["serving_default"] = got[i].Pixels // which has EXIF's turn and the transform of a JPEG no more
		}
		for signature, answer := range answers {
			if setting == "other files" {
				if signature == "serving_bytes" && !strings.Contains(string(answer), "expected a JPEG, PNG, GIF or BMP file") {
					t.Errorf("%s: received %s", name, answer)
				}
				continue
			}
			if reason := want[i].Unreadable; reason != "" {
				if !strings.Contains(string(answer), "decode.size scaled none") || !strings.Contains(reason, "decode.size scaled none") {
					t.Errorf("%s: predict says %q, %s %s", name, reason, signature, answer)
				}
				continue
			}
			var probabilities []float64
			if err := json.Unmarshal(answer, &probabilities); err != nil || len(probabilities) != 3 {
				t.Errorf("%s: %s gives %s", name, signature, answer)
				continue
			}
			difference := 0.0
			for k, class := range want[i].Classes {
				difference = max(difference, math.Abs(float64(want[i].Probabilities[k])-probabilities[class]))
			}
			most := 1e-6
			if strings.Contains(file, "cmyk") || strings.Contains(file, "ycck") {
				most = 5e-3 // decoded in another way
			}
			if !(difference <= most) {
				t.Errorf("%s: %s gives %v, predict %+v", name, signature, probabilities, want[i])
			}
			seen = max(seen, difference)
		}
	}
	t.Logf("%s: %d files, probabilities differ by at most %.1e", setting, len(files), seen)
}

// exportForServing has Keras export a small network, whose answers depend much on the pixels.
func exportForServing(t *testing.T, python string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "suffix")
	exporter := &savedmodels.Exporter{Python: python, CacheDir: "../../.deps/cache", Log: t.Output()}
	_, err := exporter.ExportSuffix(t.Context(), savedmodels.Suffix{
		Prefix: savedmodels.Prefix{
			Backbone: "vgg16", Weights: "random", Input: [2]int{32, 32}, Preprocess: savedmodels.Preprocess{Mode: "torch"},
			Taps: []string{"block2_pool"}, Freeze: "block1_pool", Pooling: "none",
		},
		Classes: 3, Optimizer: savedmodels.Optimizer{Name: "sgd", Convention: "keras"},
	}, "", dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// trainedForServing makes of an export a model that says that its training images were made so.
func trainedForServing(t *testing.T, suffix, dir string, trained *formats.Trained) {
	t.Helper()
	trained.Classes = []string{"a", "b", "c"}
	model, err := tfruntime.New().Load(suffix, savedmodels.Options{Device: "cpu", Threads: 2, Precision: "float32"})
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	text, err := os.ReadFile(filepath.Join(suffix, "card.json"))
	if err != nil {
		t.Fatal(err)
	}
	card := map[string]any{}
	if err := json.Unmarshal(text, &card); err != nil {
		t.Fatal(err)
	}
	card["trained"] = trained
	seed := savedmodels.Tensor{DType: savedmodels.Int64, Data: []byte{3, 0, 0, 0, 0, 0, 0, 0}}
	_, initErr := model.Run(t.Context(), "init", map[string]savedmodels.Tensor{"seed": seed})
	_, setErr := model.Run(t.Context(), "set_serving", trained.Serving().Inputs())
	if err := errors.Join(initErr, setErr, model.Save(dir), copyGraph(dir, suffix), formats.WriteJSON(filepath.Join(dir, "card.json"), card)); err != nil {
		t.Fatal(err)
	}
}

func predictServed(t *testing.T, dir string, files []string) []Prediction {
	t.Helper()
	req := PredictRequest{Model: dir, Top: 3}
	for _, file := range files {
		req.Images = append(req.Images, []byte(file))
	}
	var got []Prediction
	err := Predict(t.Context(), tfruntime.New(), machine.Machine{Device: "cpu"}, req, func(p Prediction) error { got = append(got, p); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// picturesToServe are of odd sizes first, then of each kind.
func picturesToServe(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	var files []string
	for _, size := range [][2]int{{1, 1}, {3, 500}, {768, 256}, {500, 333}, {4000, 100}, {48, 48}, {48, 47}, {31, 30}, {100, 4000}, {2, 1}, {47, 48}, {640, 480}} {
		file := filepath.Join(dir, fmt.Sprintf("%dx%d.png", size[0], size[1]))
		writePNG(t, file, size[1], size[0], 11)
		files = append(files, file)
	}
	transparent := filepath.Join(dir, "transparent.gif")
	m := image.NewPaletted(image.Rect(0, 0, 30, 40), color.Palette{color.NRGBA{200, 10, 20, 255}, color.NRGBA{}})
	for i := range m.Pix {
		m.Pix[i] = uint8(i / 7 % 2)
	}
	var data bytes.Buffer
	if err := errors.Join(gif.Encode(&data, m, nil), os.WriteFile(transparent, data.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
	files = append(files, transparent)
	for _, pattern := range []string{"*.jpg", "*.png", "*.gif", "rgb.bmp"} {
		found, err := filepath.Glob(pictures + pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%d pictures %s: %v", len(found), pattern, err)
		}
		files = append(files, found...)
	}
	return files
}

// copyGraph copies the graph of a SavedModel, without its variables.
func copyGraph(to, from string) error {
	data, err := os.ReadFile(filepath.Join(from, "saved_model.pb"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, "saved_model.pb"), data, 0o644)
}
