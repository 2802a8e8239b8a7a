//go:build !notensorflow

package main

import (
	"encoding/csv"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tlpipe/pipeline/exit"
)

const model = "artifacts/latest/chain/fine-tune"

// TestPredict trains a model by the whole chain and asks it, from Go and from Python, about the images on disk.
func TestPredict(t *testing.T) {
	c := newChain(t, 12)
	// A part of the base model trains, and pixels are scaled and cropped.
	settings := []string{"--set", "model.freeze_through=block2_pool", "--set", "model.truncate_at=block3_pool", "--set", "fine-tune.epochs=4",
		"--set", "decode.size=48", "--set", "normalize.crop=40", "--set", "evaluate.gates={accuracy: 0}"}
	if code, _, out := c.run(settings...); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	want := c.askPython(t, model, "artifacts/latest/chain/decode", "data")

	out, err := c.command("predict", model, "data", "--json", "--top", "2").Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, err.(*exec.ExitError).Stderr)
	}
	most, seen := 0.0, 0
	for line := range strings.Lines(string(out)) {
		var got struct {
			Image       string
			Predictions []struct {
				Class       string
				Index       int
				Probability float64
			}
		}
		if err := json.Unmarshal([]byte(line), &got); err != nil || len(got.Predictions) != 2 {
			t.Fatalf("%s: %v", line, err)
		}
		python, ok := want[strings.TrimPrefix(got.Image, "data/")]
		if !ok {
			t.Fatalf("%s is none of the images", got.Image)
		}
		seen++
		for _, p := range got.Predictions {
			for _, other := range [][]float64{python.Loaded, python.Layer, python.File} {
				most = max(most, math.Abs(p.Probability-other[p.Index]))
			}
		}
		if best := got.Predictions[0]; best.Class != python.Label || best.Probability < got.Predictions[1].Probability {
			t.Errorf("%s: %+v, by labels.txt it is %s", got.Image, got.Predictions, python.Label)
		}
	}
	if seen != len(want) || !(most <= 1e-5) {
		t.Errorf("%d of %d images, probabilities differ by up to %g", seen, len(want), most)
	}
	t.Logf("%d images, largest difference %g", seen, most)
	c.predictWhatPeopleType(t)
	c.exportWeights(t)
}

// exportWeights writes the weights in each format and has Keras use them.
func (c *chain) exportWeights(t *testing.T) {
	files := []string{"w.weights.h5", "w.safetensors", "w.keras"}
	if out, err := c.command(append([]string{"export-weights", model}, files...)...).CombinedOutput(); err != nil || string(out) != strings.Join(files, "\n")+"\n" {
		t.Fatalf("%v\n%s", err, out)
	}
	if left, err := filepath.Glob(filepath.Join(c.dir, ".tlpipe-*")); err != nil || len(left) > 0 {
		t.Errorf("%q is left behind (%v)", left, err)
	}
	if out, err := c.command("export-weights", model, "w.onnx").CombinedOutput(); exitCode(t, err) != exit.Usage || !strings.Contains(string(out), "ends in .weights.h5, .safetensors, .keras") {
		t.Errorf("a format that is not there: %v\n%s", err, out)
	}
	images := "artifacts/latest/chain/decode/images-00000.npy" // of any size: the network resizes
	args := append([]string{absolute(t, "../../savedmodels/testdata/load_weights.py"), absolute(t, "../../savedmodels/inkeras/load_weights.py"), model, images}, files...)
	differences := strings.Fields(c.python(t, args...))
	if len(differences) != 4 {
		t.Fatalf("received %q", differences)
	}
	for i, text := range differences {
		if d, err := strconv.ParseFloat(text, 64); err != nil || !(d <= 1e-5) {
			t.Errorf("%s differs from the signature predict by %s", append([]string{model}, files...)[i], text)
		}
	}
	t.Logf("differences %s", differences)
}

// copyModel copies a model, so that it can be changed.
func (c *chain) copyModel(from, to string) {
	c.t.Helper()
	if err := os.CopyFS(filepath.Join(c.dir, to), os.DirFS(resolve(c.t, filepath.Join(c.dir, from)))); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(c.dir, to, "saved_model.pb"), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// python runs a script in the chain's folder and returns what it prints.
func (c *chain) python(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(filepath.Join(filepath.Dir(c.bin), "../.deps/bin/python"), args...)
	cmd.Dir, cmd.Stderr = c.dir, t.Output()
	cmd.Env = append(os.Environ(), "TF_CPP_MIN_LOG_LEVEL=2", "CUDA_VISIBLE_DEVICES=")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

type pythonAnswer struct {
	Image               string
	Loaded, Layer, File []float64
	Label               string
}

func (c *chain) askPython(t *testing.T, model, images, data string) map[string]pythonAnswer {
	t.Helper()
	answers := map[string]pythonAnswer{}
	for line := range strings.Lines(c.python(t, absolute(t, "testdata/predict.py"), model, images, data)) {
		var a pythonAnswer
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatal(err)
		}
		answers[a.Image] = a
	}
	return answers
}

// predictWhatPeopleType names images in every way, good ones and bad.
func (c *chain) predictWhatPeopleType(t *testing.T) {
	red := filepath.Join(c.dir, "data/test/red/00000.jpg")
	for _, name := range []string{"-dash.jpg", "ein Bild é.jpg", "photos/a/deep.jpg", "photos/.hidden/x.jpg"} {
		path := filepath.Join(c.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Link(red, path); err != nil {
			t.Fatal(err)
		}
	}
	c.write("photos/page.jpg", "<html>sign in</html>")
	c.write("photos/empty.jpg", "")
	if err := os.Symlink("photos", filepath.Join(c.dir, "link")); err != nil {
		t.Fatal(err)
	}
	// Messages of protocol buffers that stand one after the other are one: this adds a graph with a node that writes files.
	c.copyModel(model, "program")
	graph := "\x12\x15\x12\x13\x0a\x11\x0a\x04evil\x12\x09WriteFile"
	c.write("program/saved_model.pb", c.read(model+"/saved_model.pb")+graph)
	const head = "image              class  probability\n"
	for _, test := range []struct {
		name         string
		args         []string
		code         int
		first        []string // column of what is printed
		stderr, none string
	}{
		{"a dash, spaces", []string{"--csv", model, "--", "-dash.jpg", "ein Bild é.jpg"}, 0, []string{"image", "'-dash.jpg", "ein Bild é.jpg"}, "", "tlpipe"},
		{"a pattern", []string{model, "--csv", "data/*/red/0000[01].jpg"}, 0, []string{"image", "data/test/red/00000.jpg", "data/test/red/00001.jpg", "data/train/red/00000.jpg", "data/train/red/00001.jpg"}, "", "tlpipe"},
		{"a dash taken for a flag", []string{model, "--csv", "-dash.jpg"}, exit.Usage, nil, "flag provided but not defined", ""},
		{"bad images among good", []string{model, "--csv", "photos", "gone.jpg", "no*.jpg", "--", "-dash.jpg"}, exit.Failed, []string{"image", "photos/a/deep.jpg", "'-dash.jpg"},
			"photos/page.jpg: a web page (HTML), not an image", "hidden"},
		{"a linked folder", []string{model, "--csv", "link/"}, exit.Failed, []string{"image", "link/a/deep.jpg"}, "link/empty.jpg: empty file", ""},
		{"nothing readable", []string{model, "gone.jpg"}, exit.Failed, nil, "gone.jpg: no such file or directory\ntlpipe: 1 image could not be read", ""},
		{"a config's folder", []string{"artifacts/latest/chain", "data"}, exit.Usage, nil, "did you mean artifacts/latest/chain/fine-tune?", ""},
		{"a program", []string{"program", "--", "-dash.jpg"}, exit.Usage, nil, "program is not loaded: the operation \"WriteFile\" (node \"evil\") is none", ""},
		{"a trusted program", []string{"--csv", "--trust", "program", "--", "-dash.jpg"}, 0, []string{"image", "'-dash.jpg"}, "", "tlpipe"},
		{"an export", []string{"artifacts/latest/chain/export-suffix", "data"}, exit.Usage, nil, "not trained", ""},
	} {
		var stdout, stderr strings.Builder
		cmd := c.command(append([]string{"predict"}, test.args...)...)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if code := exitCode(t, cmd.Run()); code != test.code || !strings.Contains(stderr.String(), test.stderr) {
			t.Errorf("%s: exit code %d, want %d and %q\n%s", test.name, code, test.code, test.stderr, stderr.String())
		}
		if test.none != "" && strings.Contains(stderr.String(), test.none) {
			t.Errorf("%s: %q in %s", test.name, test.none, stderr.String())
		}
		records, err := csv.NewReader(strings.NewReader(stdout.String())).ReadAll()
		if err != nil || len(records) != len(test.first) {
			t.Errorf("%s: received %q (%v), want %q", test.name, stdout.String(), err, test.first)
			continue
		}
		for i, record := range records {
			if record[0] != test.first[i] {
				t.Errorf("%s: line %d is %q, want %s", test.name, i, record, test.first[i])
			}
		}
	}
	out, err := c.command("predict", model, "ein Bild é.jpg", "photos/a", "--top", "5").Output()
	if lines := strings.Split(string(out), "\n"); err != nil || lines[0]+"\n" != head || len(lines) != 6 || !strings.HasPrefix(lines[3], "photos/a/deep.jpg  ") {
		t.Errorf("the table is\n%s(%v)", out, err)
	}
}
