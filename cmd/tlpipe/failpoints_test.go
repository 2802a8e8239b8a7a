//go:build !notensorflow

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// failpoints kills runs at every named step, those of a commit first. pipeline/store tests the steps of its own in more
// ways; here they are those of whole runs, in the command or in its worker.
func (s *tortured) failpoints() {
	const commit = "normalize" // any stage would do: this one is quick
	for _, point := range []struct{ stage, at string }{
		{commit, "mid-files:2"},
		{commit, "before-manifest:1"},
		{commit, "manifest.json:1"},
		{commit, "after-manifest:1"},
		{commit, "record.json:1"},
		{commit, "before-rename:1"},
		{commit, "after-rename:1"},
		{commit, "before-record:1"},
		{commit, "after-record:1"},
		{commit, "used.json:1"}, // before the stage, so that what it reads is kept
		{commit, "used.json:2"},
		{"decode", "images-00001.npy:2"}, // its header is the first pass
		{"decode", "images-00001.npy.json:1"},
		{"featurize", "features-00001.npy:2"},
		{"featurize", "features-00000.npy.json:1"},
		{"fine-tune", "checkpoint-*.safetensors:3"},
		{"fine-tune", "best-*.safetensors:1"},
		{"fine-tune", "labels.txt:1"},
		{"fine-tune", "card.json:1"},
		{"evaluate", "metrics.json:1"},
		{"export-prefix", "after-export:1"},
	} {
		s.t.Run(point.stage+" "+point.at, func(t *testing.T) {
			s := s.at(t)
			s.forget(point.stage)
			out := s.dieAt(point.at, "run", "chain.yaml", "--store", theStore)
			killed := s.newTraces(theStore)
			s.wantClean(theStore)
			s.wantWhole(theStore)
			s.wantResumed(append(killed, s.newTraces(theStore)...))
			if t.Failed() {
				t.Logf("the run that died: %s", out)
			}
		})
	}
	s.t.Run("export-suffix in the middle", func(t *testing.T) { s.at(t).killedExport() })
	other := []string{"run", "chain.yaml", "--store", theStore, "--set", "normalize.split.seed=3", "--until", "normalize"}
	for _, at := range []string{"mid-view:2", "before-link:1"} {
		s.t.Run("latest "+at, func(t *testing.T) {
			s := s.at(t)
			s.dieAt(at, other...)
			s.wantClean(theStore)
			s.wantWhole(theStore)
		})
	}
	for _, at := range []string{"mid-records:1", "aside:1", "aside:2", "sweep:1"} {
		s.t.Run("gc "+at, func(t *testing.T) {
			s := s.at(t)
			if out, err := s.command(other...).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			s.wantWhole(theStore) // what latest/ shows now is all that gc keeps
			s.dieAt(at, "gc", "--keep-runs", "0", "--store", theStore)
			s.wantClean(theStore)
			s.wantWhole(theStore)
		})
	}
	s.t.Run("verify --repair", func(t *testing.T) {
		s := s.at(t)
		if err := flipBit(filepath.Join(s.dir, theStore, "objects", s.whole[commit][:2], s.whole[commit], "dataset.json")); err != nil {
			t.Fatal(err)
		}
		s.dieAt("aside:1", "verify", "--repair", "--store", theStore)
		s.wantWhole(theStore)
	})
}

// dieAt runs a command of the build that can die at named steps, and makes sure that it, or its worker, did.
func (s *tortured) dieAt(point string, args ...string) string {
	s.t.Helper()
	cmd := s.command(args...)
	cmd.Path = filepath.Join(filepath.Dir(s.bin), "failpoint", "tlpipe")
	cmd.Env = append(os.Environ(), "TLPIPE_FAILPOINT="+point, "PATH="+filepath.Join(filepath.Dir(s.bin), "../.deps/bin")+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if err == nil || status.Signal() != syscall.SIGKILL && !strings.Contains(string(out), "(SIGKILL)") {
		s.t.Fatalf("nothing died at %s: %v\n%s", point, err, out)
	}
	return string(out)
}

// killedExport kills command and Python as soon as Keras has begun to write.
func (s *tortured) killedExport() {
	s.forget("export-suffix")
	cmd := s.command("run", "chain.yaml", "--store", theStore)
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	begun := false
	for end := time.Now().Add(5 * time.Minute); !begun && time.Now().Before(end); time.Sleep(time.Millisecond) {
		files, _ := filepath.Glob(filepath.Join(s.dir, theStore, "scratch", "*", "out", "[^.]*"))
		begun = len(files) > 0
	}
	for _, child := range childrenOf(cmd.Process.Pid) {
		syscall.Kill(child, syscall.SIGKILL)
	}
	cmd.Process.Kill()
	cmd.Wait()
	if !begun {
		s.t.Fatal("the export wrote nothing")
	}
	s.wantClean(theStore)
	s.wantWhole(theStore)
	s.newTraces(theStore)
}

// TestShippedProgramsHaveNoFailpoints looks for what arms them.
func TestShippedProgramsHaveNoFailpoints(t *testing.T) {
	for path, want := range map[string]bool{"../../bin/tlpipe": false, "../../bin/tlpipe-worker": false, "../../bin/failpoint/tlpipe": true} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("%v: `make bin/failpoint` builds it", err)
		}
		if strings.Contains(string(text), "TLPIPE_"+"FAILPOINT") != want {
			t.Errorf("%s: can be told to die: %v", path, !want)
		}
	}
}
