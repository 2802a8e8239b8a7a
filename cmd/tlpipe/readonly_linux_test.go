package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tlpipe/pipeline/exit"
)

// TestReadOnlyClone: from a clone that its user cannot write to, everything works with a store elsewhere, and what would
// have to write says so.
func TestReadOnlyClone(t *testing.T) {
	c := newSmall(t)
	clone := filepath.Join(c.dir, "clone")
	program, err := os.ReadFile(c.bin)
	if err == nil {
		err = errors.Join(os.MkdirAll(filepath.Join(clone, "bin"), 0o755), os.MkdirAll(filepath.Join(clone, ".deps/cache"), 0o755),
			os.WriteFile(filepath.Join(clone, "bin/tlpipe"), program, 0o755), os.Rename(filepath.Join(c.dir, "data"), filepath.Join(clone, "data")),
			os.Rename(filepath.Join(c.dir, "chain.yaml"), filepath.Join(clone, "chain.yaml")), makeReadOnly(clone))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { exec.Command("chmod", "-R", "u+w", clone).Run() })
	for _, test := range []struct {
		args string
		code int
		says string
	}{
		{"lint chain.yaml", exit.Done, "fine"},
		{"plan chain.yaml --store ../store", exit.Done, "decode"},
		{"run chain.yaml --store ../store --summary-json ../sum.json", exit.Done, ""},
		{"run chain.yaml --store ../store", exit.Done, "nothing to do"},
		{"export chain.yaml --store ../store", exit.Done, ""},
		{"status chain.yaml --store ../store", exit.Done, "decode"},
		{"verify --store ../store", exit.Done, ""},
		{"gc --yes --store ../store", exit.Done, ""},
		{"plan chain.yaml", exit.Done, "decode"},
		{"run chain.yaml", exit.Failed, "permission denied; make the folder writable, or name another place with --store DIR"},
		{"run chain.yaml --store ../store --summary-json sum.json", exit.Usage, "permission denied"},
	} {
		cmd := unprivileged(t, filepath.Join(clone, "bin/tlpipe"), strings.Fields(test.args)...)
		cmd.Dir = clone
		cmd.Env = append(os.Environ(), "HOME="+clone, "XDG_CACHE_HOME=")
		out, err := cmd.CombinedOutput()
		if code := exitCode(t, err); code != test.code || !strings.Contains(string(out), test.says) {
			t.Errorf("%s: exit code %d, want %d and %q:\n%s", test.args, code, test.code, test.says, out)
		}
	}
}

func makeReadOnly(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		return errors.Join(err, os.Chmod(path, info.Mode().Perm()&^0o222))
	})
}

// unprivileged is a command that the modes of files hold for, of root too: in a user namespace of its own root has no say over
// the files of others.
func unprivileged(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	if os.Getuid() != 0 {
		return exec.Command(name, args...)
	}
	if err := exec.Command("unshare", "--user", "true").Run(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("needs a user namespace, which is not permitted here; in CI no test is left out")
		}
		t.Skip("needs a user namespace, which is not permitted here")
	}
	return exec.Command("unshare", append([]string{"--user", name}, args...)...)
}
