package fetch

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tlpipe/pipeline"
	"tlpipe/pipeline/progress"
	"tlpipe/stages/machine"
	"tlpipe/stages/sources"
)

// TestFetchOfWhatChanged has local sources change after the action was named by what they hold: what comes of it would be
// stored under the name of something else.
func TestFetchOfWhatChanged(t *testing.T) {
	t.Parallel()
	write := func(path, text string) error { return os.WriteFile(path, []byte(text), 0o644) }
	for _, test := range []struct {
		name   string
		folder bool
		change func(dir string) error
		want   string // which file changed; empty: nothing did
	}{
		{"same", true, func(string) error { return nil }, ""},
		{"same file", false, func(string) error { return nil }, ""},
		{"touched", true, func(dir string) error { return os.Chtimes(dir+"/a/x", time.Unix(1, 0), time.Unix(1, 0)) }, ""},
		{"a file's bytes", false, func(dir string) error { return write(dir+"/a/x", "y") }, "/a/x"},
		{"a file's length", false, func(dir string) error { return write(dir+"/a/x", "yy") }, "/a/x"},
		{"a file now a FIFO", false, func(dir string) error { return errors.Join(os.Remove(dir+"/a/x"), syscall.Mkfifo(dir+"/a/x", 0o644)) }, "/a/x"},
		{"bytes in a folder", true, func(dir string) error { return write(dir+"/a/x", "y") }, "/a/x"},
		{"a file of a folder gone", true, func(dir string) error { return os.Remove(dir + "/a/x") }, "/a/x"},
		{"a folder now a file", true, func(dir string) error { return errors.Join(os.RemoveAll(dir+"/a"), write(dir+"/a", "y")) }, "/a"},
		{"a file now a folder", false, func(dir string) error { return errors.Join(os.Remove(dir+"/a/x"), os.Mkdir(dir+"/a/x", 0o755)) }, "/a/x"},
	} {
		for _, remembers := range []bool{true, false} {
			dir := t.TempDir()
			if err := errors.Join(os.Mkdir(dir+"/a", 0o755), write(dir+"/a/x", "x"), write(dir+"/b", "b")); err != nil {
				t.Fatal(err)
			}
			s := &Settings{Sources: []Source{{Path: dir + "/a/x"}, {Path: dir + "/b"}}}
			if test.folder {
				s.Sources[0].Path = dir + "/a"
			}
			var env machine.Resources
			if remembers {
				env.Digests = sources.NewDigests(t.TempDir())
			}
			stage := Stage(s, env)
			key, err := stage.Key(t.Context(), nil)
			if err := errors.Join(err, test.change(dir)); err != nil {
				t.Fatal(err)
			}
			job := newFetchJob(t)
			err = stage.Run(t.Context(), &pipeline.Job{Key: key, Out: job.out, Scratch: job.scratch, Progress: progress.NewReporter("fetch", &job.events)})
			if test.want == "" {
				if err != nil {
					t.Errorf("%s: %v", test.name, err)
				}
				continue
			}
			var changed *sources.ChangedError
			if !errors.As(err, &changed) || !strings.HasPrefix(dir+test.want, changed.Path) || remembers && changed.Path != dir+test.want {
				t.Errorf("%s: got error %v, want one that names %s", test.name, err, test.want)
			}
			if files := job.files(t); len(files) > 0 {
				t.Errorf("%s: it left %v", test.name, files)
			}
			again, err := Stage(s, machine.Resources{}).Key(t.Context(), nil)
			if err != nil || again[0] == key[0] {
				t.Errorf("%s: named again it is %v, %v", test.name, again, err)
			}
		}
	}
}

// A source that can't be read when the action is named, and can when it runs, is another action.
func TestFetchOfWhatCanBeReadNow(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "late")
	stage := Stage(&Settings{Sources: []Source{{Path: path}}}, machine.Resources{})
	key, err := stage.Key(t.Context(), nil)
	if err := errors.Join(err, os.WriteFile(path, fetchData, 0o644)); err != nil {
		t.Fatal(err)
	}
	job := newFetchJob(t)
	err = stage.Run(t.Context(), &pipeline.Job{Key: key, Out: job.out, Scratch: job.scratch, Progress: progress.NewReporter("fetch", &job.events)})
	var changed *sources.ChangedError
	if !errors.As(err, &changed) || changed.Path != path {
		t.Errorf("got error %v", err)
	}
}

// A folder that can't be listed may be a whole class, which is not to go missing; unless its name says that it is none.
func TestFetchOfClosedFolder(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"bees": `the folder "bees" in it, which may be a whole class, cannot be read: a folder of the kernel's`, "lost+found": ""} {
		dir := t.TempDir()
		if err := errors.Join(os.WriteFile(dir+"/x", fetchData, 0o644), os.Symlink("/proc/self", filepath.Join(dir, name))); err != nil {
			t.Fatal(err)
		}
		err := newFetchJob(t).run(t.Context(), &Settings{Sources: []Source{{Path: dir}}})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got error %v, want %q", name, err, want)
		}
	}
}
