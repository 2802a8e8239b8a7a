package predict

import (
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline/exit"
	"tlpipe/savedmodels"
	"tlpipe/stages/formats"
	"tlpipe/stages/machine"
	"tlpipe/stages/stagetest"
)

// writeTrained makes a trained model of three classes for images that were decoded to a shape.
func writeTrained(t *testing.T, decoded [3]int, crop int) string {
	t.Helper()
	dir := stagetest.WriteFakeModel(t, formats.SuffixType, stagetest.FakeFeatures, 3)
	card, err := savedmodels.ReadCard(dir)
	if err != nil {
		t.Fatal(err)
	}
	card.Spec = json.RawMessage(`{"input": [224, 224]}`) // batches of 32
	weights := make([]float32, 3*(stagetest.FakeFeatures+1))
	for i := range weights {
		weights[i] = float32(i%5) - 2
	}
	trained := struct {
		savedmodels.Card
		Trained formats.Trained `json:"trained"`
	}{card, formats.Trained{Classes: []string{"a", "b", "c"}, Decoded: decoded, Recipe: formats.Recipe{Crop: crop}, Threads: 1}}
	if err := errors.Join(formats.WriteJSON(filepath.Join(dir, "card.json"), trained), stagetest.WriteFakeVars(dir, stagetest.FakeVars{Weights: weights, Momenta: weights, Classes: 3})); err != nil {
		t.Fatal(err)
	}
	return dir
}

// writePNG draws an image without loss and returns its RGB pixels.
func writePNG(t *testing.T, path string, height, width, seed int) (rgb []byte) {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := range height * width {
		r, g, b := byte(i*seed), byte(i*7+seed), byte(i*i+3*seed)
		m.SetNRGBA(i%width, i/width, color.NRGBA{r, g, b, 255})
		rgb = append(rgb, r, g, b)
	}
	f, err := os.Create(path)
	if err == nil {
		err = errors.Join(png.Encode(f, m), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return rgb
}

func predictAll(t *testing.T, model string, top int, paths ...string) []Prediction {
	t.Helper()
	req := PredictRequest{Model: model, Top: top}
	for _, path := range paths {
		req.Images = append(req.Images, []byte(path))
	}
	var got []Prediction
	err := Predict(t.Context(), &stagetest.FakeRuntime{}, machine.Machine{Device: "cpu"}, req, func(p Prediction) error { got = append(got, p); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestPredictPixels compares with the model's answer to pixels that are put together here.
func TestPredictPixels(t *testing.T) {
	for name, test := range map[string]struct {
		decoded       [3]int
		crop          int
		height, width int // of the file
		pixels        func(rgb []byte) []byte
	}{
		"as it is":  {[3]int{6, 6, 3}, 0, 6, 6, func(rgb []byte) []byte { return rgb }},
		"no square": {[3]int{4, 6, 3}, 0, 4, 6, func(rgb []byte) []byte { return rgb }},
		"cropped":   {[3]int{4, 4, 3}, 2, 4, 4, func(rgb []byte) []byte { return append(rgb[15:21:21], rgb[27:33]...) }},
		"wide":      {[3]int{2, 2, 3}, 0, 2, 4, func(rgb []byte) []byte { return append(rgb[3:9:9], rgb[15:21]...) }},
		"gray": {[3]int{3, 3, 1}, 0, 3, 3, func(rgb []byte) []byte {
			var gray []byte
			for ; len(rgb) > 0; rgb = rgb[3:] {
				gray = append(gray, byte((299*float64(rgb[0])+587*float64(rgb[1])+114*float64(rgb[2]))/1000+0.5))
			}
			return gray
		}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.png")
			pixels := test.pixels(writePNG(t, path, test.height, test.width, 11))
			dir := writeTrained(t, test.decoded, test.crop)
			got := predictAll(t, dir, 9, path)[0]
			model, err := (&stagetest.FakeRuntime{}).Load(dir, savedmodels.Options{Device: "cpu", Threads: 1, Precision: "float32"})
			if err != nil {
				t.Fatal(err)
			}
			side := int64(1) // the fake sees bytes alone
			out, err := model.Run(t.Context(), "predict", map[string]savedmodels.Tensor{"images": {DType: savedmodels.Uint8, Shape: []int64{side, int64(len(pixels))}, Data: pixels}})
			if err != nil {
				t.Fatal(err)
			}
			want := formats.Float32s(out["probabilities"].Data)
			if len(got.Classes) != 3 || got.Unreadable != "" {
				t.Fatalf("received %+v", got)
			}
			for i, class := range got.Classes {
				if got.Probabilities[i] != want[class] || i > 0 && got.Probabilities[i] > got.Probabilities[i-1] {
					t.Errorf("received %+v, want %v sorted", got, want)
				}
			}
		})
	}
}

// TestPredictManyFiles has bad files among good ones, over several batches: each answer is that for the file alone.
func TestPredictManyFiles(t *testing.T) {
	dir, model := t.TempDir(), writeTrained(t, [3]int{8, 8, 3}, 6)
	var paths []string
	for i := range 71 {
		path := filepath.Join(dir, string(rune('0'+i))+".png")
		paths = append(paths, path)
		switch {
		case i%9 == 4:
			if err := os.WriteFile(path, []byte("no image"), 0o644); err != nil {
				t.Fatal(err)
			}
		case i != 41:
			writePNG(t, path, 8+i%3, 9, i)
		}
	}
	for i, p := range predictAll(t, model, 2, paths...) {
		alone := predictAll(t, model, 2, paths[i])[0]
		alone.Image = i
		if !cmp.Equal(p, alone) {
			t.Errorf("image %d: %+v among others, %+v alone", i, p, alone)
		}
		if bad := i%9 == 4 || i == 41; bad != (p.Unreadable != "") {
			t.Errorf("image %d: %+v", i, p)
		}
		if i == 41 && p.Unreadable != "no such file or directory" {
			t.Errorf("the reason is %q", p.Unreadable)
		}
	}
	odd := writeTrained(t, [3]int{8, 6, 3}, 0)
	if got := predictAll(t, odd, 1, paths[0])[0].Unreadable; !strings.Contains(got, "8 pixels high and 9 wide, all training images were 8 and 6") {
		t.Errorf("the reason is %q", got)
	}
}

func TestOpenTrained(t *testing.T) {
	export := stagetest.WriteFakeModel(t, formats.SuffixType, stagetest.FakeFeatures, 3)
	for dir, want := range map[string]string{
		export:                              "not trained",
		t.TempDir():                         "is no trained model: no such file or directory; expected the folder that fine-tune makes",
		writeTrained(t, [3]int{}, 0):        "how images become the model's input",
		writeTrained(t, [3]int{8, 8, 3}, 9): "how images become the model's input",
	} {
		if _, err := OpenTrained(dir); exit.Code(err) == exit.Failed || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("received %v, want %q", err, want)
		}
	}
}

func TestImageFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"b.jpg", "a b/z.png", "a b/é/1.png", "a b/.DS_Store", ".cache/x.png", "a[1].png", "-x.png", ".h.jpg"} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("a b", "link"), os.Symlink("../b.jpg", "a b/to.jpg"), os.Symlink("gone", "a b/broken.jpg"), os.Symlink("..", "a b/up")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ args, files, problems []string }{
		{[]string{"b.jpg", "-x.png", "a[1].png", "b.jpg"}, []string{"b.jpg", "-x.png", "a[1].png", "b.jpg"}, nil},
		{[]string{"a b"}, []string{"a b/to.jpg", "a b/z.png", "a b/é/1.png"}, []string{"a b/broken.jpg: no such file or directory"}},
		{[]string{"link/"}, []string{"link/to.jpg", "link/z.png", "link/é/1.png"}, []string{"link/broken.jpg: no such file or directory"}},
		{[]string{"*.jpg", ".*.jpg", "*/é"}, []string{"b.jpg", ".h.jpg", "a b/é/1.png", "link/é/1.png"}, nil},
		{[]string{"gone", "*.gif", "[", "b.jpg"}, []string{"b.jpg"}, []string{"gone: no such file or directory", "*.gif: no file matches", "[: there is no such file, and it is no pattern: syntax error in pattern"}},
		{[]string{"/dev/null", ".cache"}, []string{".cache/x.png"}, []string{"/dev/null: neither a file nor a folder"}},
	} {
		var problems []string
		files := ImageFiles(test.args, func(path string, reason error) { problems = append(problems, path+": "+reason.Error()) })
		if !cmp.Equal(files, test.files) || !cmp.Equal(problems, test.problems) {
			t.Errorf("%q: %q and %q, want %q and %q", test.args, files, problems, test.files, test.problems)
		}
	}
}

// TestPredictLargeImagesShareMemory: images of many pixels wait until there is room for them.
func TestPredictLargeImagesShareMemory(t *testing.T) {
	trained, err := OpenTrained(writeTrained(t, [3]int{4, 4, 3}, 0))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "large.png")
	writePNG(t, path, 4100, 4000, 1)
	const all = 1_200_000_000 // as imagefile.NewRoom has it
	if !trained.room.TryAcquire(all) {
		t.Fatal("the room is smaller")
	}
	read := make(chan error, 1)
	go func() { read <- trained.readImage(make([]byte, 4*4*3), path) }()
	select {
	case err := <-read:
		t.Errorf("it was read beside another: %v", err)
	case <-time.After(500 * time.Millisecond):
	}
	trained.room.Release(all)
	if err := <-read; err != nil {
		t.Error(err)
	}
}

// TestPredictCalibrated compares with the plain answers, scaled by hand; a model without a temperature says why it has none.
func TestPredictCalibrated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.png")
	writePNG(t, path, 6, 6, 11)
	dir := writeTrained(t, [3]int{6, 6, 3}, 0)
	plain := predictAll(t, dir, 3, path)[0]
	ask := func(change func(card *formats.Trained)) (got Prediction, err error) {
		card, err := savedmodels.ReadCard(dir)
		if err != nil {
			t.Fatal(err)
		}
		trained, err := formats.ReadTrained(dir)
		if err != nil {
			t.Fatal(err)
		}
		change(&trained)
		if card.Trained, err = json.Marshal(trained); err != nil {
			t.Fatal(err)
		}
		if err := formats.WriteJSON(filepath.Join(dir, "card.json"), card); err != nil {
			t.Fatal(err)
		}
		req := PredictRequest{Model: dir, Top: 3, Calibrated: true, Images: [][]byte{[]byte(path)}}
		return got, Predict(t.Context(), &stagetest.FakeRuntime{}, machine.Machine{Device: "cpu"}, req, func(p Prediction) error { got = p; return nil })
	}
	got, err := ask(func(card *formats.Trained) { card.Calibrated = &formats.Calibrated{Temperature: 2} })
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, p := range plain.Probabilities {
		sum += math.Sqrt(float64(p))
	}
	for i, p := range plain.Probabilities {
		if want := math.Sqrt(float64(p)) / sum; math.Abs(float64(got.Probabilities[i])-want) > 1e-6 || got.Classes[i] != plain.Classes[i] {
			t.Errorf("class %d: %v, expected %v of class %d", got.Classes[i], got.Probabilities[i], want, plain.Classes[i])
		}
	}
	for want, change := range map[string]func(card *formats.Trained){
		"no val split":     func(card *formats.Trained) { card.Calibrated, card.Uncalibrated = nil, "there is no val split" },
		"train it again":   func(card *formats.Trained) { card.Calibrated, card.Uncalibrated = nil, "" },
		"temperature 1000": func(card *formats.Trained) { card.Calibrated = &formats.Calibrated{Temperature: 1000} },
		"temperature 0,":   func(card *formats.Trained) { card.Calibrated = &formats.Calibrated{} },
	} {
		if _, err := ask(change); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %q", err, want)
		}
	}
}
