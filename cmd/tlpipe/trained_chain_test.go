//go:build !notensorflow

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tlpipe/pipeline/exit"
)

// TestTrainedModelElsewhere uses a trained model where little is allowed: without any variable in the environment, without a
// place for temporary files, and killed.
func TestTrainedModelElsewhere(t *testing.T) {
	c := newChain(t, 4)
	c.must(exit.Done, "run", "chain.yaml", "--until", "fine-tune", "--set", "fine-tune.epochs=1", "--set", "model.truncate_at=block1_pool", "--set", "model.freeze_through=block1_pool")

	readOnly := filepath.Join(c.dir, "read-only")
	if err := os.Mkdir(readOnly, 0o555); err != nil {
		t.Fatal(err)
	}
	want := c.must(exit.Done, "predict", model, "data")
	for _, env := range [][]string{{}, {"TMPDIR=" + readOnly}, {"TMPDIR=" + filepath.Join(c.dir, "absent")}} {
		for args, want := range map[string]string{"predict " + model + " data": want, "export-weights " + model + " w.keras": "w.keras\n"} {
			cmd := unprivileged(t, c.bin, strings.Fields(args)...)
			cmd.Dir, cmd.Env = c.dir, env
			if out, err := cmd.CombinedOutput(); err != nil || string(out) != want {
				t.Errorf("%s with the environment %v: %v\n%s", args, env, err, out)
			}
		}
	}
	c.weightsByUmask(t)
	c.killExportWeights(t)
}

// weightsByUmask: files of weights are as readable as other files that are made.
func (c *chain) weightsByUmask(t *testing.T) {
	for _, test := range []struct {
		umask string
		want  os.FileMode
	}{{"022", 0o644}, {"027", 0o640}} {
		cmd := exec.Command("sh", "-c", fmt.Sprintf("umask %s; exec %s export-weights %s w.keras w.safetensors w.weights.h5", test.umask, c.bin, model))
		cmd.Dir = c.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, name := range []string{"w.keras", "w.safetensors", "w.weights.h5"} {
			if info, err := os.Stat(filepath.Join(c.dir, name)); err != nil || info.Mode() != test.want {
				t.Errorf("umask %s: %s has the mode %v, want %v (%v)", test.umask, name, info.Mode(), test.want, err)
			}
		}
	}
}

// killExportWeights kills the command at several moments: the files are whole, those of before or the new ones, and soon nothing
// of it runs. Python removes what was begun; what is left because Python had not begun, or had ended, the next export removes.
func (c *chain) killExportWeights(t *testing.T) {
	before := c.read("w.safetensors")
	begun := time.Now()
	c.must(exit.Done, "export-weights", model, "w.safetensors")
	took := time.Since(begun)
	left := func() []string {
		left, err := filepath.Glob(filepath.Join(c.dir, ".tlpipe-*"))
		if err != nil {
			t.Fatal(err)
		}
		return left
	}
	const kills = 4
	for i := range kills {
		after := took * time.Duration(i+1) / (kills + 1)
		cmd := c.command("export-weights", model, "w.safetensors", "new.safetensors")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after)
		cmd.Process.Kill()
		cmd.Wait()
		for deadline := time.Now().Add(20 * time.Second); working(c.dir); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("killed after %v: its Python still runs", after)
			}
		}
		if i == 1 && len(left()) > 0 {
			t.Errorf("killed after %v: Python leaves %q", after, left())
		}
		for _, name := range []string{"w.safetensors", "new.safetensors"} {
			if text, err := os.ReadFile(filepath.Join(c.dir, name)); err == nil && string(text) != before {
				t.Errorf("killed after %v: %s is half written", after, name)
			}
		}
		os.Remove(filepath.Join(c.dir, "new.safetensors"))
	}
	time.Sleep(time.Second) // what was made just now is left alone
	c.must(exit.Done, "export-weights", model, "w.safetensors")
	if left := left(); len(left) > 0 {
		t.Errorf("%q is left for good", left)
	}
}

// working says whether a process works in a folder.
func working(dir string) bool {
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, dir) {
			return true
		}
	}
	return false
}
