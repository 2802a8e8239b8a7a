package stagetest

import (
	"encoding/json"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"tlpipe/savedmodels"
	"tlpipe/stages/imagefile"
)

// FakeRuntime stands for TensorFlow: its prefix is a fixed projection of the pixels, its suffix a softmax regression
// with momentum that really learns.
type FakeRuntime struct {
	mu    sync.Mutex
	Calls map[string]int // of each signature, over all models
	// before runs ahead of each call, with the number of calls of its signature so far; an error fails the call.
	Before func(signature string, n int) error
	// spoil is the step (from 1) after which the weights are turned around; 0: none.
	Spoil uint64
}

func (r *FakeRuntime) Version() string { return "fake-1" }

// JPEG is Go's decoder.
func (r *FakeRuntime) JPEG(bool) (savedmodels.JPEGDecoder, error) {
	return func(files [][]byte, _ int, part image.Rectangle, use func(i int, pix []byte)) error {
		for i, file := range files {
			m, err := imagefile.Decode(file, imagefile.Options{})
			if err != nil {
				return err
			}
			var pix []byte
			for y := part.Min.Y; y < part.Max.Y; y++ {
				pix = append(pix, m.Pix[3*(y*m.Width+part.Min.X):3*(y*m.Width+part.Max.X)]...)
			}
			use(i, pix)
		}
		return nil
	}, nil
}

func (r *FakeRuntime) call(signature string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Calls == nil {
		r.Calls = map[string]int{}
	}
	if r.Before != nil {
		if err := r.Before(signature, r.Calls[signature]); err != nil {
			return err
		}
	}
	r.Calls[signature]++
	return nil
}

func (r *FakeRuntime) Load(dir string, opts savedmodels.Options) (savedmodels.Model, error) {
	if opts.Device != "cpu" || opts.Threads < 1 || !slices.Contains([]string{"float32", "bfloat16", "int8"}, opts.Precision) {
		return nil, fmt.Errorf("unexpected options %+v", opts)
	}
	card, err := savedmodels.ReadCard(dir)
	if err != nil {
		return nil, err
	}
	m := &FakeModel{Runtime: r, Features: card.Features, pixels: card.Features == 0, quantized: opts.Precision == "int8"}
	if m.pixels {
		m.Features = FakeFeatures
	}
	text, err := os.ReadFile(filepath.Join(dir, "variables", "variables.json"))
	if err != nil {
		return nil, err
	}
	return m, json.Unmarshal(text, &m.vars)
}
