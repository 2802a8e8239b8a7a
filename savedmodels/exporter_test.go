package savedmodels

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tlpipe/pipeline/exit"
)

var plain = Prefix{Backbone: "vgg16", Weights: "random", Input: [2]int{32, 32}, Taps: []string{"block1_pool"}, Freeze: "block1_pool", Pooling: "avg"}

// fake stands in for Python: a shell script.
func fake(t *testing.T, script string) *Exporter {
	t.Helper()
	python := filepath.Join(t.TempDir(), "python")
	if err := os.WriteFile(python, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return &Exporter{Python: python, CacheDir: t.TempDir()}
}

func TestExportErrors(t *testing.T) {
	for _, c := range []struct {
		name, script string
		code         int
		want         string
	}{
		{"an answer", `echo {}; read request; echo '{"error": "no weights", "hint": "check the network"}'`, exit.Failed, "export of the prefix: no weights; check the network"},
		{"a crash", `echo one >&2; echo; echo two >&2; exit 1`, exit.Failed, "export of the prefix: python failed (exit status 1): one | two"},
		{"no Keras", `echo "ModuleNotFoundError: No module named 'keras'" >&2; exit 1`, exit.NoRuntime, "run `make deps`"},
		{"killed", `kill -9 $$`, exit.Resources, "memory ran out"},
		{"disk full", `echo "OSError: [Errno 28] No space left on device" >&2; exit 1`, exit.Resources, "the disk is full"},
		{"disk full, said", `echo {}; read request; echo '{"error": "OSError: [Errno 28] No space left on device", "hint": ""}'`, exit.Resources, "the disk is full"},
		{"a child killed", `echo {}; read request; echo '{"status": 9}'`, exit.Resources, "memory ran out"},
		{"a child that failed", `echo {}; read request; echo why >&2; sleep 0.1; echo '{"status": 256}'`, exit.Failed, "python failed (exit status 1): why"},
		{"no memory", `echo "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 2 GiB" >&2; exit 1`, exit.Resources, "memory ran out"},
		{"no card", `echo {}; read request; echo '{"digest": "d"}'`, exit.Damaged, "no SavedModel of tlpipe"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := fake(t, c.script).ExportPrefix(t.Context(), plain, "", t.TempDir())
			if exit.Code(err) != c.code || !strings.Contains(err.Error(), c.want) {
				t.Errorf("received %v (code %d), expected %q (code %d)", err, exit.Code(err), c.want, c.code)
			}
		})
	}
	t.Run("no Python", func(t *testing.T) {
		e := &Exporter{Python: filepath.Join(t.TempDir(), "python"), CacheDir: t.TempDir()}
		if _, err := e.ExportPrefix(t.Context(), plain, "", t.TempDir()); exit.Code(err) != exit.NoRuntime {
			t.Errorf("received %v", err)
		}
	})
	t.Run("impossible", func(t *testing.T) {
		p := plain
		p.Freeze = "block9_pool"
		if _, err := fake(t, "exit 0").ExportPrefix(t.Context(), p, "", t.TempDir()); exit.Code(err) != exit.Usage {
			t.Errorf("received %v", err)
		}
	})
}

func TestExportStops(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := fake(t, "sleep 60 & wait").ExportPrefix(ctx, plain, "", t.TempDir())
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 30*time.Second {
		t.Errorf("received %v after %v", err, time.Since(start))
	}
}

// TestExportStartsClean also looks at what the script is given, and at what goes to the log.
func TestExportStartsClean(t *testing.T) {
	out := t.TempDir()
	if err := os.WriteFile(filepath.Join(out, "old"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	e := fake(t, `echo "$3" >&2; echo {}; read request; cat "$request" >&2; exit 1`)
	var log bytes.Buffer
	e.Log = &log
	if _, err := e.ExportSuffix(t.Context(), Suffix{Prefix: plain, Classes: 3}, "", out); err == nil {
		t.Error("expected an error")
	}
	if _, err := os.Stat(filepath.Join(out, "old")); err == nil {
		t.Error("what an earlier export left is still there")
	}
	if left, err := os.ReadDir(out); err != nil || len(left) > 0 {
		t.Errorf("the export leaves %v (%v)", left, err)
	}
	for _, want := range []string{filepath.Join(out, ".work", "python", "export.py"), `"kind":"suffix"`, `"units":[]`, `"freeze":"block1_pool"`, `"block1_conv1/kernel":"564034bf`, `"keras":"3.`, `"tensorflow":"2.`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the script and its request lack %s", want)
		}
	}
}

// TestSharedWeights: what another folder holds is not downloaded again, whether or not a link to it, or to where it was, is there.
func TestSharedWeights(t *testing.T) {
	const name = "vgg16-imagenet-notop.npz"
	for what, link := range map[string]string{"none": "", "a file": "/dev/null", "a link to nowhere": "/nowhere/" + name} {
		e := fake(t, "exit 1")
		e.Shared, e.CacheDir = t.TempDir(), filepath.Join(t.TempDir(), "cache")
		if err := os.WriteFile(filepath.Join(e.Shared, name), []byte("shared"), 0o444); err != nil {
			t.Fatal(err)
		}
		want := "shared"
		if link != "" {
			if err := errors.Join(os.MkdirAll(e.CacheDir, 0o755), os.Symlink(link, filepath.Join(e.CacheDir, name))); err != nil {
				t.Fatal(err)
			}
		}
		if link == "/dev/null" {
			want = ""
		}
		if _, err := e.ExportPrefix(t.Context(), plain, "", t.TempDir()); err == nil {
			t.Error("expected an error")
		}
		if text, err := os.ReadFile(filepath.Join(e.CacheDir, name)); err != nil || string(text) != want {
			t.Errorf("%s: the cache holds %q (%v), want %q", what, text, err, want)
		}
	}
}

func TestReadCard(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "cut short": `{"kind": "pre`, "without digest": `{"kind": "prefix"}`} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "card.json"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadCard(dir); exit.Code(err) != exit.Damaged {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWarm: one Python makes several exports, and is gone after Close. Where it died meanwhile, the next export says how.
func TestWarm(t *testing.T) {
	e := fake(t, `echo started >&2; echo {}; while read request; do echo '{"error": "no"}'; done`)
	var log bytes.Buffer
	e.Log, e.Work = &log, t.TempDir()
	e.Warm(t.Context())
	process := e.python.cmd.Process.Pid
	for range 2 {
		if _, err := e.ExportPrefix(t.Context(), plain, "", t.TempDir()); err == nil || !strings.HasSuffix(err.Error(), "export of the prefix: no") {
			t.Errorf("received %v", err)
		}
	}
	if left, err := os.ReadDir(e.Work); err != nil || len(left) > 0 {
		t.Errorf("left in work: %v (%v)", left, err)
	}
	e.stopIdle() // it was used just now
	if e.python == nil {
		t.Fatal("Python was ended too early")
	}
	if err := e.Close(); err != nil || strings.Count(log.String(), "started") != 1 || syscall.Kill(process, 0) == nil {
		t.Errorf("%v; started %q; process %v", err, log.String(), syscall.Kill(process, 0))
	}
	e.Warm(t.Context())
	e.used = e.used.Add(-idle)
	e.stopIdle()
	if e.python != nil {
		t.Error("Python stays with nothing to do")
	}
	e.Warm(t.Context())
	if err := syscall.Kill(e.python.cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := e.ExportPrefix(t.Context(), plain, "", t.TempDir()); exit.Code(err) != exit.Resources {
		t.Errorf("received %v", err)
	}
}
