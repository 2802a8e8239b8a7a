package savedmodels

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestInstallSays runs install.sh on machines that lack something: one sentence says what, and what to do next. Nothing
// is downloaded: a Python that cannot make an environment ends each installation before that.
func TestInstallSays(t *testing.T) {
	const (
		goNow  = "echo go version go1.26.3 linux/amd64"
		python = `[ "$1" = -c ]`
	)
	for name, c := range map[string]struct {
		tools map[string]string // scripts by name, beside those every system has
		want  string
	}{
		"no Go":          {map[string]string{}, "Go was not found; install Go 1.26 or newer"},
		"Go 1.9":         {map[string]string{"go": "echo go version go1.9 linux/amd64"}, "Go is too old (go version go1.9 linux/amd64); install Go 1.26 or newer"},
		"Go 1.25":        {map[string]string{"go": "echo go version go1.25.7 linux/amd64"}, "Go is too old (go version go1.25.7 linux/amd64); install Go 1.26 or newer"},
		"no newer Go":    {map[string]string{"go": `[ "$GOTOOLCHAIN" = local ] && echo go version go1.22.1 linux/amd64`}, "Go is too old (go version go1.22.1 linux/amd64); install Go 1.26 or newer"},
		"no compiler":    {map[string]string{"go": goNow}, "no C compiler was found"},
		"no modules":     {map[string]string{"go": `[ "$1" = version ] && ` + goNow + ` || { echo dial tcp: no such host; exit 1; }`, "cc": ""}, "the Go modules could not be downloaded (dial tcp: no such host); check the network, or set GOPROXY"},
		"no Python":      {map[string]string{"go": goNow, "cc": ""}, "no python3 was found, and TensorFlow needs Python 3.11, 3.12 or 3.13"},
		"Python too old": {map[string]string{"go": goNow, "cc": "", "python3": `case $2 in *platform*) echo python3 is 3.9.1 ;; *) exit 1 ;; esac`}, "python3 is 3.9.1, and TensorFlow needs Python 3.11"},
		"full disk":      {map[string]string{"go": goNow, "cc": "", "python3": python, "df": "echo; echo x 0 0 1024 0"}, "the disk has 1 MB free here"},
		"no venv":        {map[string]string{"go": goNow, "cc": "", "python3": python}, "python3 -m venv failed"},
		"a Go to come":   {map[string]string{"go": "echo go version go1.30.1 linux/amd64", "cc": "", "python3": python}, "python3 -m venv failed"},
		"Go 2":           {map[string]string{"go": "echo go version go2.0 linux/amd64", "cc": "", "python3": python}, "python3 -m venv failed"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := install(t, t.TempDir(), c.tools); !strings.HasPrefix(got, "error: ") || !strings.Contains(got, c.want) || strings.Count(got, "\n") > 1 {
				t.Errorf("said %q, want a sentence with %q", got, c.want)
			}
		})
	}
}

// TestInstallPaths installs in clones whose paths cannot be built in, and in some that can.
func TestInstallPaths(t *testing.T) {
	tools := map[string]string{"go": "echo go version go1.26.3", "cc": "", "python3": `[ "$1" = -c ]`}
	for name, refused := range map[string]bool{
		"a b": true, "a\tb": true, "a\nb": true, `a"b`: true, "a'b": true, "a$b": true, "a`b": true, `a\b`: true, "a:b": true, "a,b": true,
		"a-b_c.d+e@f=g~h": false, "übung": false, "a(b)": false,
	} {
		dir := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		got := install(t, dir, tools)
		if strings.Contains(got, "error: the path of this clone ("+dir+") has a space or one of \" ' ` $ \\ : , in it") != refused {
			t.Errorf("%q: said %q", name, got)
		}
		if _, err := os.Stat(filepath.Join(dir, ".deps")); refused == (err == nil) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestInstallSpares begins an installation over an older one: caches stay.
func TestInstallSpares(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	for _, name := range []string{"go/pkg/module", "cache/weights", "lib/old"} {
		for _, deps := range []string{filepath.Join(dir, ".deps"), other} {
			if err := os.MkdirAll(filepath.Join(deps, name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	tools := map[string]string{"go": "echo go version go1.26.3", "cc": "", "python3": `[ "$1" = -c ]`}
	has := func(path string, want bool) {
		t.Helper()
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
	install(t, dir, tools)
	has(filepath.Join(dir, ".deps/go/pkg/module"), true)
	has(filepath.Join(dir, ".deps/cache/weights"), true)
	has(filepath.Join(dir, ".deps/lib/old"), false)

	linked := t.TempDir()
	if err := os.Symlink(other, filepath.Join(linked, ".deps")); err != nil {
		t.Fatal(err)
	}
	install(t, linked, tools)
	has(filepath.Join(other, "lib/old"), true)
	has(filepath.Join(other, "tmp"), false)
}

// TestInstallBuild begins installations of the builds for GPUs and for CPUs: what was chosen stays until another is.
func TestInstallBuild(t *testing.T) {
	dir := t.TempDir()
	tools := map[string]string{"go": "echo go version go1.26.3", "cc": "", "python3": `[ "$1" = -c ]`}
	for _, c := range []struct{ env, want string }{{"", "\n"}, {"GPU=1", "-gpu\n"}, {"", "-gpu\n"}, {"GPU=0", "\n"}, {"", "\n"}} {
		install(t, dir, tools, c.env)
		if got, err := os.ReadFile(filepath.Join(dir, ".deps/build")); err != nil || string(got) != c.want {
			t.Errorf("%q: build %q (%v), want %q", c.env, got, err, c.want)
		}
	}
}

// TestMakeSparesHome reads the Makefile, which asks Go for its settings, as a user without any: nothing appears in HOME.
func TestMakeSparesHome(t *testing.T) {
	makefile, err := filepath.Abs("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	home, clone := t.TempDir(), t.TempDir()
	cmd := exec.Command("make", "-C", clone, "-f", makefile, "help")
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	entries, err := os.ReadDir(home)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		t.Errorf("make left %s in HOME", entry.Name())
	}
}

// install runs install.sh in dir with no programs but the tools and what every system has, and returns its complaint.
func install(t *testing.T, dir string, tools map[string]string, env ...string) string {
	t.Helper()
	script, err := filepath.Abs("install.sh")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	for _, name := range strings.Fields("sh dirname cat cksum tr sed awk df find rm mkdir tail") {
		if _, faked := tools[name]; faked {
			continue
		}
		path, err := exec.LookPath(name)
		if err == nil {
			err = os.Symlink(path, filepath.Join(bin, name))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range tools {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var said strings.Builder
	cmd := exec.Command(script)
	cmd.Dir, cmd.Env, cmd.Stderr = dir, append([]string{"PATH=" + bin}, env...), &said
	if err := cmd.Run(); err == nil {
		t.Errorf("the installation was done")
	}
	return said.String()
}
