package sources

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline/store"
)

// link makes symbolic links: "name -> target", the names relative to dir.
func link(t *testing.T, dir string, links ...string) {
	t.Helper()
	for _, l := range links {
		name, target, _ := strings.Cut(l, " -> ")
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// listed gives the names in a folder, those that cannot be read with the reason, and the loops.
func listed(t *testing.T, dir string) []string {
	t.Helper()
	s, err := (*Digests)(nil).Look(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range s.entries {
		if e.unreadable != "" {
			e.name += ": " + e.unreadable
		}
		names = append(names, e.name)
	}
	for _, name := range s.loops {
		names = append(names, "loop "+name)
	}
	return names
}

func TestFolderLinks(t *testing.T) {
	outside := folder(t, "owls/1", "photo")
	for _, test := range []struct {
		name  string
		links []string // in a folder of ants/1 and bees/1
		want  []string // beside those
	}{
		{"none", nil, nil},
		{"file inside", []string{"ants/2 -> ../bees/1"}, []string{"ants/2"}},
		{"file outside", []string{"ants/2 -> " + outside + "/photo"}, []string{"ants/2"}},
		{"folder inside", []string{"cees -> bees"}, []string{"cees/", "cees/1"}},
		{"folder outside", []string{"owls -> " + outside + "/owls"}, []string{"owls/", "owls/1"}},
		{"of links", []string{"x -> y", "y -> bees"}, []string{"x/", "x/1", "y/", "y/1"}},
		{"the same twice", []string{"ants/b -> ../bees", "ants/c -> ../bees"}, []string{"ants/b/", "ants/b/1", "ants/c/", "ants/c/1"}},
		{"to nothing", []string{"ants/2 -> none", "ants/3 -> " + outside + "/none", "bees/2 -> 1/x"}, []string{
			"ants/2: a link that leads nowhere", "ants/3: a link that leads nowhere", "bees/2: a link that leads nowhere"}},
		{"to itself", []string{"ants/2 -> 2", "ants/3 -> 4", "ants/4 -> 3"}, []string{
			"ants/2: a link that leads to itself", "ants/3: a link that leads to itself", "ants/4: a link that leads to itself"}},
		{"to the folder", []string{"ants/2 -> ..", "loop -> ."}, []string{"loop ants/2", "loop loop"}},
		{"into each other", []string{"ants/b -> ../bees", "bees/a -> ../ants"}, []string{
			"ants/b/", "ants/b/1", "bees/a/", "bees/a/1", "loop ants/b/a", "loop bees/a/b"}},
		{"to above the folder", []string{"up -> .."}, nil},
		{"to a device", []string{"ants/2 -> /dev/zero"}, []string{"ants/2: a device, neither a file nor a folder"}},
		{"to what the kernel writes", []string{"ants/2 -> /proc/cpuinfo"}, []string{"ants/2: a file of the kernel's, not one on a disk"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := folder(t, "data/ants/1", "data/bees/1") + "/data"
			link(t, dir, test.links...)
			got := map[string]bool{}
			for _, name := range listed(t, dir) {
				got[name] = true
			}
			if test.name == "to above the folder" {
				test.want = []string{"up/", "loop up/data"}
			}
			want := map[string]bool{"ants/": true, "ants/1": true, "bees/": true, "bees/1": true}
			for _, name := range test.want {
				want[name] = true
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
		})
	}
}

// Who runs tlpipe where the data lie has its store among them: it is written to all the while, and is no part of the data.
func TestFolderWithAStore(t *testing.T) {
	dir := folder(t, "ants/1", "bees/1")
	if _, err := store.Open(filepath.Join(dir, "artifacts")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"ants/", "ants/1", "bees/", "bees/1"}, listed(t, dir)); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

// A folder's link to a folder of the kernel would lead to everything that runs.
func TestFolderOfTheKernel(t *testing.T) {
	dir := folder(t, "a")
	link(t, dir, "b -> /proc/self")
	if diff := cmp.Diff([]Closed{{"b", "a folder of the kernel's, not one on a disk"}}, looked(t, dir).Closed()); diff != "" {
		t.Errorf("closed folders (-want +got):\n%s", diff)
	}
	if _, err := (*Digests)(nil).Look(t.Context(), "/proc"); err == nil || !strings.Contains(err.Error(), "a folder of the kernel's") {
		t.Errorf("got error %v", err)
	}
}

// special makes a FIFO and a socket.
func special(t *testing.T) (fifo, socket string) {
	t.Helper()
	dir := t.TempDir()
	fifo, socket = filepath.Join(dir, "fifo"), filepath.Join(dir, "socket")
	if err := syscall.Mkfifo(fifo, 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return fifo, socket
}

// What is neither file nor folder is refused by what it is, and never waited for.
func TestSpecialFiles(t *testing.T) {
	fifo, socket := special(t)
	for path, want := range map[string]string{
		fifo: "a FIFO, neither", socket: "a socket, neither", "/dev/zero": "a device, neither", "/dev/null": "a device, neither",
		"/proc/kmsg": "a file of the kernel's", "/proc/self/mounts": "a file of the kernel's", "/proc/meminfo": "a file of the kernel's", "/sys/kernel/mm/transparent_hugepage/enabled": "a file of the kernel's",
	} {
		if _, err := os.Stat(path); err != nil {
			continue // this machine has none
		}
		begun := time.Now()
		_, err := (*Digests)(nil).Look(t.Context(), path)
		if err == nil || !strings.Contains(err.Error(), want) && !errors.Is(err, os.ErrPermission) {
			t.Errorf("%s: got error %v, want %q", path, err, want)
		}
		if body, err := Local(t.Context(), path, nil); err == nil {
			t.Errorf("%s: got a body of %d bytes", path, body.Size)
		}
		if took := time.Since(begun); took > time.Second {
			t.Errorf("%s: took %s", path, took)
		}
	}
	dir := folder(t, "ants/1")
	link(t, dir, "ants/2 -> "+fifo, "ants/3 -> "+socket)
	if err := syscall.Mkfifo(filepath.Join(dir, "ants/4"), 0o644); err != nil {
		t.Fatal(err)
	}
	want := []string{"ants/", "ants/1", "ants/2: a FIFO, neither a file nor a folder", "ants/3: a socket, neither a file nor a folder", "ants/4: a FIFO, neither a file nor a folder"}
	if diff := cmp.Diff(want, listed(t, dir)); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

// What may not be read is set aside by name. Root may read all, so the test goes on as somebody else.
func TestPermissionDenied(t *testing.T) {
	if dir := os.Getenv("SOURCES_TEST_FORBIDDEN"); dir != "" {
		s, err := (*Digests)(nil).Look(t.Context(), filepath.Join(dir, "file"))
		if err != nil {
			t.Fatal(err)
		}
		if n := len(s.entries); n != 5 || s.entries[2].unreadable != "permission denied" || s.entries[3].unreadable != "permission denied" {
			t.Errorf("got %+v", s.entries)
		}
		if _, err := io.Copy(io.Discard, s.pack(t.Context())); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]Closed{{"lost+found", "permission denied"}}, s.Closed()); diff != "" {
			t.Errorf("closed folders (-want +got):\n%s", diff)
		}
		return
	}
	dir, err := os.MkdirTemp("", "sources")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, name := range []string{"file/ants", "file/lost+found"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name, "1"), "x")
		write(t, filepath.Join(dir, name, "2"), "x")
	}
	write(t, filepath.Join(dir, "file/x"), "x")
	for _, err := range []error{
		os.Chmod(dir, 0o755), os.Chmod(filepath.Join(dir, "file/ants/2"), 0), os.Chmod(filepath.Join(dir, "file/lost+found"), 0),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestPermissionDenied$")
	cmd.Env = append(os.Environ(), "SOURCES_TEST_FORBIDDEN="+dir)
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		cmd.Dir = "/"
	}
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}
