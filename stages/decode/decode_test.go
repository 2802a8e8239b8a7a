package decode

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline"
	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/progress"
	"tlpipe/pipeline/store"
	"tlpipe/savedmodels"
	"tlpipe/stages/formats"
	"tlpipe/stages/machine"
	"tlpipe/stages/stagetest"
)

// archiveFile is an entry of an archive that a test packs.
type archiveFile struct {
	name string
	data []byte
}

// packTarGz packs files in their order; a name that ends in / is a folder.
func packTarGz(t testing.TB, files []archiveFile) []byte {
	t.Helper()
	var packed bytes.Buffer
	zw := gzip.NewWriter(&packed)
	tw := tar.NewWriter(zw)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.data)), Typeflag: tar.TypeReg}
		if strings.HasSuffix(f.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write(f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(tw.Close(), zw.Close()); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// tinyPNG is a picture of one color that tells it from others, but for its last pixel.
func tinyPNG(t testing.TB, width, height, value int) []byte {
	t.Helper()
	palette := color.Palette{color.RGBA{byte(value), byte(value >> 8), 0, 255}, color.RGBA{0, 0, 15, 255}}
	m := image.NewPaletted(image.Rect(0, 0, width, height), palette)
	m.SetColorIndex(width-1, height-1, 1)
	var file bytes.Buffer
	if err := png.Encode(&file, m); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// decodeJob is a job of the decode stage on the given fetched files.
func decodeJob(t testing.TB, files map[string][]byte) *pipeline.Job {
	t.Helper()
	dir := t.TempDir()
	job := &pipeline.Job{
		Out: filepath.Join(dir, "out"), Scratch: filepath.Join(dir, "tmp"),
		Inputs:   pipeline.Inputs{"archive": store.Artifact{Type: "archive", Dir: filepath.Join(dir, "in"), Identity: "a1"}},
		Progress: progress.NewReporter("decode", progress.Discard{}),
	}
	for _, sub := range []string{job.Out, job.Scratch, filepath.Join(dir, "in", "files")} {
		if err := os.MkdirAll(sub, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, "in", "files", name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return job
}

func readDir(t testing.TB, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(data)
	}
	return files
}

func runDecode(t testing.TB, s *Settings, files map[string][]byte) (*pipeline.Job, error) {
	t.Helper()
	job := decodeJob(t, files)
	return job, Stage(s, machine.Resources{}).Run(context.Background(), job)
}

// manyImages is a folder of train and test images, some of which cannot be read, in a shuffled order.
func manyImages(t testing.TB, n, side int) []archiveFile {
	var files []archiveFile
	for i := range n {
		split, class := "train", []string{"cat", "dog", "eel"}[i%3]
		if i%5 == 4 {
			split = "test"
		}
		data := tinyPNG(t, side, side, i)
		if i%17 == 3 {
			data = data[:len(data)/2]
		}
		files = append(files, archiveFile{fmt.Sprintf("set/%s/%s/%04d.png", split, class, i), data})
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	return files
}

// The order of the archive and the number of workers leave no trace.
func TestDecodeIsDeterministic(t *testing.T) {
	files := manyImages(t, 120, 40)
	decode := func(workers int) map[string]string {
		s := &Settings{Format: "image-folder", MaxRejected: 1, Size: 30, Workers: workers}
		job, err := runDecode(t, s, map[string][]byte{"archive": packTarGz(t, files)})
		if err != nil {
			t.Fatal(err)
		}
		return readDir(t, job.Out)
	}
	first := decode(1)
	slices.Reverse(files)
	if diff := cmp.Diff(first, decode(5)); diff != "" {
		t.Error("another order and number of workers gave other files")
	}
}

// cancelSink cancels after some images, as Ctrl-C would.
type cancelSink struct {
	mu     sync.Mutex
	after  int64
	cancel context.CancelFunc
	shards []int64
}

func (c *cancelSink) Handle(e progress.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch e.Type {
	case progress.Completed:
		c.shards = append(c.shards, e.Index)
		if c.after--; c.after == 0 {
			c.cancel()
		}
	}
}

// However often it is stopped, what comes out is the same, and no finished shard is made again.
func TestDecodeResumes(t *testing.T) {
	s := &Settings{Format: "image-folder", MaxRejected: 1, Workers: 3}
	files := map[string][]byte{"archive": packTarGz(t, manyImages(t, 60, 600))}
	whole, err := runDecode(t, s, files)
	if err != nil {
		t.Fatal(err)
	}
	want := readDir(t, whole.Out)

	job := decodeJob(t, files)
	var made []int64
	for attempt := 0; ; attempt++ {
		ctx, cancel := context.WithCancel(context.Background())
		sink := &cancelSink{after: 1, cancel: cancel}
		job.Progress = progress.NewReporter("decode", sink)
		err := Stage(s, machine.Resources{}).Run(ctx, job)
		cancel()
		made = append(made, sink.shards...)
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) || attempt > 20 {
			t.Fatal(err)
		}
		// what a kill in the middle of a write leaves
		temp := filepath.Join(job.Out, "."+formats.ShardName("images", len(made))+".tmp")
		if err := os.WriteFile(temp, []byte("half"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if slices.Sort(made); len(made) < 3 || len(slices.Compact(slices.Clone(made))) != len(made) {
		t.Errorf("shards made: %v, expected each once, and several", made)
	}
	got := readDir(t, job.Out)
	delete(got, "."+formats.ShardName("images", len(made))+".tmp") // beyond the last shard: this test's own
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s differs from that of an uninterrupted run", name)
		}
	}
}

// Images that are set aside leave shards shorter, or none of a shard at all; rows stay those of the images that are named.
func TestDecodeShardsOfFewerRows(t *testing.T) {
	const perShard = 16 << 20 / (600 * 600 * 3)
	for name, c := range map[string]struct {
		bad  []int
		want []int // none: shards need no index
	}{
		"none":           {nil, nil},
		"in the last":    {[]int{2*perShard + 1}, nil},
		"the first ones": {[]int{0, 1, perShard}, []int{perShard - 2, perShard - 1, 5}},
		"a whole shard":  {seq(perShard, 2*perShard), []int{perShard, 0, 5}},
		"the last shard": {seq(2*perShard, 2*perShard+5), []int{perShard, perShard, 0}},
	} {
		var files []archiveFile
		for i := range 2*perShard + 5 {
			data := tinyPNG(t, 600, 600, i)
			if slices.Contains(c.bad, i) {
				data = data[:len(data)/2]
			}
			files = append(files, archiveFile{fmt.Sprintf("train/cat/%04d.png", i), data})
		}
		job, err := runDecode(t, &Settings{Format: "image-folder", MaxRejected: 1, Workers: 3}, map[string][]byte{"archive": packTarGz(t, files)})
		if err != nil {
			t.Fatal(err)
		}
		info, err := formats.ReadImagesInfo(job.Out)
		if diff := cmp.Diff(c.want, info.ShardRows); err != nil || diff != "" {
			t.Errorf("%s: %v, rows of shards (-want +got):\n%s", name, err, diff)
		}
		m := opened(t, job.Out)
		samples, err := m.Samples()
		if err != nil || m.Count != len(files)-len(c.bad) {
			t.Fatalf("%s: %d images, %v", name, m.Count, err)
		}
		for row, sample := range samples {
			if want := fmt.Sprintf("train/cat/%04d.png", m.Pixels.Row(row)[0]); sample.Path != want {
				t.Errorf("%s: row %d is named %s, and holds %s", name, row, sample.Path, want)
			}
		}
	}
}

func seq(from, to int) (list []int) {
	for i := from; i < to; i++ {
		list = append(list, i)
	}
	return list
}

func TestDecodeDistrustsDamagedShards(t *testing.T) {
	s := &Settings{Format: "image-folder", MaxRejected: 1}
	job, err := runDecode(t, s, map[string][]byte{"archive": packTarGz(t, manyImages(t, 40, 600))})
	if err != nil {
		t.Fatal(err)
	}
	want := readDir(t, job.Out)
	if err := os.Truncate(filepath.Join(job.Out, formats.ShardName("images", 1)), 1000); err != nil {
		t.Fatal(err)
	}
	if err := Stage(s, machine.Resources{}).Run(context.Background(), job); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(want, readDir(t, job.Out)) {
		t.Error("a damaged shard was not made again")
	}
}

func TestDecodeRejects(t *testing.T) {
	files := map[string][]byte{"archive": packTarGz(t, manyImages(t, 60, 40))}
	s := &Settings{Format: "image-folder", MaxRejected: 0.01, Size: 8}
	job, err := runDecode(t, s, files)
	if exit.Code(err) != exit.Rejected {
		t.Fatalf("error %v, exit code %d", err, exit.Code(err))
	}
	want := `4 of 60 images (6.667%) could not be read, decode.max_rejected allows 1%; the first:
  train/cat/0003.png: truncated: the PNG data end early
  train/dog/0037.png: truncated: the PNG data end early
  train/eel/0020.png: truncated: the PNG data end early
repair them, leave them out with decode.exclude, or set decode.max_rejected to 0.07: that continues from what is done
all 4 images that were set aside are listed in ` + filepath.Join(job.Scratch, "rejected.jsonl")
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}

	sink := &cancelSink{}
	job.Progress = progress.NewReporter("decode", sink)
	s.MaxRejected = 0.07
	if err := Stage(s, machine.Resources{}).Run(context.Background(), job); err != nil {
		t.Fatal(err)
	}
	if len(sink.shards) > 0 {
		t.Errorf("shards %v were made again after raising max_rejected", sink.shards)
	}
	m := opened(t, job.Out)
	if m.Count != 56 {
		t.Errorf("%d images, expected 56", m.Count)
	}
}

func TestDecodeKey(t *testing.T) {
	in := pipeline.Inputs{"archive": {Identity: "a1"}}
	key := func(s Settings) string {
		lines, err := Stage(&s, machine.Resources{}).Key(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(lines)
	}
	base := key(Settings{Format: "idx"})
	if key(Settings{Format: "idx", Workers: 7, MaxRejected: 0.5}) != base {
		t.Error("inert settings changed the key")
	}
	if key(Settings{Format: "idx", Size: 7}) == base {
		t.Error("size did not change the key")
	}
	if key(Settings{Format: "idx", Size: 7, Resize: "bilinear"}) == key(Settings{Format: "idx", Size: 7, Resize: "antialias"}) {
		t.Error("resize did not change the key")
	}
	if !strings.Contains(base, "a1") || !strings.Contains(base, "go1.") {
		t.Errorf("key %s names neither the archive nor the decoder", base)
	}
}

// jpegRuntime is a TensorFlow whose JPEG files are all gray.
type jpegRuntime struct {
	stagetest.FakeRuntime
	fast bool
}

func (r *jpegRuntime) JPEG(fast bool) (savedmodels.JPEGDecoder, error) {
	r.fast = fast
	return func(files [][]byte, _ int, part image.Rectangle, use func(i int, pix []byte)) error {
		for i := range files {
			use(i, bytes.Repeat([]byte{90}, part.Dx()*part.Dy()*3))
		}
		return nil
	}, nil
}

// Where there is TensorFlow it decodes JPEG files, and the key says so.
func TestDecodeJPEG(t *testing.T) {
	in := pipeline.Inputs{"archive": {Identity: "a1"}}
	key := func(format, tensorflow string) string {
		lines, err := Stage(&Settings{Format: format}, machine.Resources{Machine: machine.Machine{TensorFlow: tensorflow}}).Key(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(lines)
	}
	if key("image-folder", "2.1") == key("image-folder", "2.2") || key("image-folder", "2.1") == key("image-folder", "") {
		t.Error("TensorFlow is not in the key of a folder")
	}
	if key("idx", "2.1") != key("idx", "") {
		t.Error("TensorFlow is in the key of what it does not decode")
	}
	for _, s := range []*Settings{{Format: "image-folder"}, {Format: "image-folder", Size: 8, Resize: "antialias"}, {Format: "image-folder", Size: 8, Resize: "bilinear"}} {
		job := decodeJob(t, map[string][]byte{"archive": packTarGz(t, []archiveFile{{"train/a/x.jpg", stagetest.SmallPicture(t, "baseline.jpg")}})})
		runtime := &jpegRuntime{}
		stage := Stage(s, machine.Resources{Machine: machine.Machine{TensorFlow: "2.1"}, Runtime: runtime})
		if err := stage.Run(t.Context(), job); err != nil || !stage.Worker {
			t.Fatalf("%v, runs in the worker: %v", err, stage.Worker)
		}
		m := opened(t, job.Out)
		for _, v := range m.Pixels.Row(0) {
			if v != 90 {
				t.Fatalf("%+v: a pixel of %d was not decoded by TensorFlow", s, v)
			}
		}
		if keras := s.Resize == "bilinear"; runtime.fast != keras {
			t.Errorf("%+v: fast transform %v, expected %v", s, runtime.fast, keras)
		}
	}
	job := decodeJob(t, map[string][]byte{"archive": nil})
	if err := Stage(&Settings{Format: "image-folder"}, machine.Resources{Machine: machine.Machine{TensorFlow: "2.1"}}).Run(t.Context(), job); exit.Code(err) != exit.NoRuntime {
		t.Errorf("in a process without TensorFlow: %v", err)
	}
}

// What decode scaled says how, so that predict scales alike.
func TestDecodeResize(t *testing.T) {
	pixels := map[string][]byte{}
	for _, resize := range []string{"antialias", "bilinear"} {
		s := &Settings{Format: "image-folder", MaxRejected: 1, Size: 30, Resize: resize}
		job, err := runDecode(t, s, map[string][]byte{"archive": packTarGz(t, manyImages(t, 20, 40))})
		if err != nil {
			t.Fatal(err)
		}
		m := opened(t, job.Out)
		if m.Resize != resize {
			t.Errorf("images.json says %q, expected %q", m.Resize, resize)
		}
		pixels[resize] = m.Pixels.Row(0)
	}
	if bytes.Equal(pixels["antialias"], pixels["bilinear"]) {
		t.Error("both ways gave the same pixels")
	}
}

func TestDecodeProblems(t *testing.T) {
	for name, c := range map[string]struct {
		settings Settings
		want     []string
	}{
		"fine":           {Settings{Format: "image-folder", Splits: map[string]string{"train": "a", "test": "b/c"}, Exclude: []string{"*.gif"}}, nil},
		"val":            {Settings{Format: "image-folder", Splits: map[string]string{"train": "a", "val": "b", "test": "c"}}, nil},
		"valid":          {Settings{Format: "image-folder", Splits: map[string]string{"train": "a", "valid": "b"}}, []string{`splits.valid: unknown split "valid"; expected train, val or test; did you mean val: b?`}},
		"nested":         {Settings{Format: "image-folder", Splits: map[string]string{"train": "a", "test": "a/b"}}, []string{"splits.train: the folders of the splits test and train lie one in the other"}},
		"unknown":        {Settings{Format: "image-folder", Splits: map[string]string{"train": "a", "dev": "b"}}, []string{`splits.dev: unknown split "dev"`}},
		"same":           {Settings{Format: "image-folder", Splits: map[string]string{"train": "a", "test": "a/"}}, []string{"splits.train: the splits test and train are the same folder"}},
		"dot and more":   {Settings{Format: "image-folder", Splits: map[string]string{"train": ".", "test": "a"}}, []string{"splits.train: the whole archive"}},
		"outside":        {Settings{Format: "image-folder", Splits: map[string]string{"train": "../a"}}, []string{`splits.train: "../a" is not a folder inside`}},
		"no train":       {Settings{Format: "image-folder", Splits: map[string]string{"test": "a"}}, []string{"splits: no folder for train"}},
		"pattern":        {Settings{Format: "image-folder", Exclude: []string{"a", "[x", "**/y"}}, []string{"exclude[1]: ", "exclude[2]: "}},
		"other formats":  {Settings{Format: "cifar10", Splits: map[string]string{"dev": "a"}, Exclude: []string{"a"}, ClassNames: []string{"a"}}, []string{"splits: format cifar10", "exclude: format cifar10", "class_names: format cifar10"}},
		"nothing scaled": {Settings{Format: "idx", Resize: "bilinear"}, []string{"resize: nothing is scaled: set decode.size"}},
		"names":          {Settings{Format: "idx", ClassNames: []string{"a", "b", "a"}}, []string{`class_names[2]: class name "a" is empty or occurs twice`}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			c.settings.Problems(func(path, format string, args ...any) { got = append(got, path+": "+fmt.Sprintf(format, args...)) })
			if len(got) != len(c.want) {
				t.Fatalf("%q, expected %q", got, c.want)
			}
			for i := range got {
				if !strings.HasPrefix(got[i], "stages.decode."+c.want[i]) {
					t.Errorf("%q, expected %q", got[i], c.want[i])
				}
			}
		})
	}
}

// opened is the decoded data set in a folder, open until the test ends.
func opened(t testing.TB, dir string) *formats.Images {
	t.Helper()
	m, err := formats.OpenImages(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}
