package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"tlpipe/pipeline/store"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tlpipe": main})
}

// TestScripts runs the scripts in testdata/script: what a user types and reads. They need no TensorFlow.
func TestScripts(t *testing.T) {
	configs, err := filepath.Abs("../../configs")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		RequireUniqueNames: true,
		UpdateScripts:      os.Getenv("UPDATE") != "",
		Cmds:               map[string]func(*testscript.TestScript, bool, []string){"code": code, "images": images, "hold": hold, "seize": seize, "flip": flip, "cut": cut},
		Setup: func(e *testscript.Env) error {
			e.Setenv("CONFIGS", configs)
			return nil
		},
	})
}

// code N COMMAND…: the command ends with exit code N.
func code(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exited := (*exec.ExitError)(nil); errors.As(err, &exited) {
		got = exited.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// images DIR N: writes DIR/train and DIR/test with N JPEGs each of two classes, red and blue.
func images(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(writeImages(ts.MkAbs(args[0]), n, 24))
}

func writeImages(dir string, n, size int) error {
	for _, split := range []string{"train", "test"} {
		for hue, class := range []string{"red", "blue"} {
			folder := filepath.Join(dir, split, class)
			if err := os.MkdirAll(folder, 0o755); err != nil {
				return err
			}
			for i := range n {
				if err := writeImage(filepath.Join(folder, fmt.Sprintf("%05d.jpg", i)), size, hue, i+len(split)*1000); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// writeImage draws a square in one of two colours on a gray ground; seed makes each image another one.
func writeImage(path string, size, hue, seed int) error {
	m := image.NewRGBA(image.Rect(0, 0, size, size))
	ground := color.RGBA{uint8(60 + seed*7%90), uint8(60 + seed*13%90), uint8(60 + seed*29%90), 255}
	ink := []color.RGBA{{220, 30, 30, 255}, {30, 30, 220, 255}}[hue]
	x0, y0, side := seed*3%(size/2), seed*5%(size/2), size/4+seed%(size/4)
	for y := range size {
		for x := range size {
			c := ground
			if x >= x0 && x < x0+side && y >= y0 && y < y0+side {
				c = ink
			}
			m.SetRGBA(x, y, c)
		}
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(jpeg.Encode(f, m, nil), f.Close())
}

// hold STORE: shares the store until the script ends, as a run does.
func hold(ts *testscript.TestScript, neg bool, args []string) {
	s, err := store.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	lock, err := s.Share(context.Background(), "tlpipe run nightly.yaml", 0, nil)
	ts.Check(err)
	ts.Defer(func() { lock.Unlock() })
}

// seize STORE: takes the store alone until the script ends, as gc does.
func seize(ts *testscript.TestScript, neg bool, args []string) {
	s, err := store.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	lock, err := s.Lock("tlpipe gc")
	ts.Check(err)
	ts.Defer(func() { lock.Unlock() })
}

// flip FILE [OFFSET]: flips a bit of a byte, by default of that in the middle.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	path, err := filepath.EvalSymlinks(ts.MkAbs(args[0]))
	ts.Check(err)
	at := -1
	if len(args) > 1 {
		at, err = strconv.Atoi(args[1])
		ts.Check(err)
	}
	ts.Check(change(path, func(text []byte) []byte { return flipped(text, at) }))
}

// cut FILE: leaves a file half as long.
func cut(ts *testscript.TestScript, neg bool, args []string) {
	path, err := filepath.EvalSymlinks(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(change(path, func(text []byte) []byte { return text[:len(text)/2] }))
}

func flipBit(path string) error {
	return change(path, func(text []byte) []byte { return flipped(text, -1) })
}

// flipped flips a bit at an offset; at -1 in the middle.
func flipped(text []byte, at int) []byte {
	if at < 0 {
		at = len(text) / 2
	}
	text[at] ^= 1
	return text
}

// change rewrites a file of an artifact, which is read-only.
func change(path string, to func([]byte) []byte) error {
	if err := os.Chmod(path, 0o644); err != nil {
		return err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, to(text), 0o644)
}
