package main

import (
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"tlpipe/pipeline/exit"
)

// The default is what `make test` has time for.
var powerCuts = flag.Int("power-cuts", 6, "how many commands TestPowerCuts cuts the power from")

// TestPowerCuts shuts down the file system below the store at random moments, as a power cut would: what was not synced is
// lost, and from then on every access fails with an I/O error. No command takes that for damage. Once the file system is
// mounted again and has replayed its journal, verify finds nothing, and the next run completes to the same bytes.
func TestPowerCuts(t *testing.T) {
	c := newSmall(t)
	begun := time.Now()
	c.must(exit.Done, "run", "chain.yaml")
	c.must(exit.Done, "verify")
	took := time.Since(begun)
	whole := c.artifacts("artifacts")
	disk := newExt4Disk(t, filepath.Join(c.dir, "disk"))

	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	commands := [][]string{
		{"run", "chain.yaml"}, {"run", "chain.yaml", "--force", "decode"}, {"gc", "--keep-runs", "0", "--yes"}, {"verify", "--repair"},
		{"run", "chain.yaml", "--set", "normalize.split.val=0.5"}, {"verify"},
	}
	cut := 0
	for i := 0; cut < *powerCuts; i++ {
		if i > 40**powerCuts {
			t.Fatalf("only %d of %d power cuts came before the command had ended", cut, i)
		}
		args := append(commands[i%len(commands)], "--store", "disk/artifacts")
		cmd := c.command(args...)
		var said strings.Builder
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rng.Float64() * float64(took) / 2))
		disk.cutPower()
		err := cmd.Wait()
		disk.restore()
		if err != nil {
			cut++
			if text := said.String(); !regexp.MustCompile(`input/output error|no store in`).MatchString(text) || strings.Contains(text, "damaged") || strings.Contains(text, "dropped") {
				t.Errorf("%v: after a power cut it says:\n%s", args, text)
			}
		}
		if out, err := c.command("verify", "--store", "disk/artifacts").CombinedOutput(); err != nil && !strings.Contains(string(out), "no store in") {
			t.Fatalf("%v: verify after the power cut: %v\n%s", args, err, out)
		}
		c.must(exit.Done, "run", "chain.yaml", "--store", "disk/artifacts")
		if diff := cmp.Diff(whole, c.artifacts("disk/artifacts")); diff != "" {
			t.Fatalf("%v: after the power cut the artifacts are others:\n%s", args, diff)
		}
		if i%4 == 3 { // begin with an empty store again
			if err := os.RemoveAll(filepath.Join(disk.dir, "artifacts")); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d power cuts before the command had ended", cut)
}

// ext4Disk is an ext4 file system in a file.
type ext4Disk struct {
	t          *testing.T
	image, dir string
}

// newExt4Disk makes a file system and mounts it at dir.
func newExt4Disk(t *testing.T, dir string) *ext4Disk {
	t.Helper()
	d := &ext4Disk{t, dir + ".img", dir}
	run := func(name string, args ...string) error {
		out, err := exec.Command(name, args...).CombinedOutput()
		if err != nil {
			t.Logf("%s %v: %v\n%s", name, args, err, out)
		}
		return err
	}
	f, err := os.Create(d.image)
	if err == nil {
		err = f.Truncate(96 << 20)
		f.Close()
	}
	if err == nil {
		err = os.Mkdir(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 || run("mkfs.ext4", "-q", "-F", d.image) != nil || run("mount", "-o", "loop", d.image, dir) != nil {
		t.Skip("needs root, mkfs.ext4 and a loop device")
	}
	t.Cleanup(func() { run("umount", dir) })
	return d
}

// cutPower loses what is not on the disk and lets every later access fail.
func (d *ext4Disk) cutPower() {
	d.t.Helper()
	const shutdown, withoutFlush = 0x8004587d, 2 // FS_IOC_SHUTDOWN, FS_SHUTDOWN_FLAGS_NOLOGFLUSH of Linux
	f, err := os.Open(d.dir)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	how := uint32(withoutFlush)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), shutdown, uintptr(unsafe.Pointer(&how))); errno != 0 {
		d.t.Fatal(errno)
	}
}

// restore mounts the file system again, which replays its journal. Where a process elsewhere copied the mounts of this one
// meanwhile, as a test of another package may, the old mount lives on until that has ended.
func (d *ext4Disk) restore() {
	d.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		for _, command := range [][]string{{"umount", d.dir}, {"mount", "-o", "loop", d.image, d.dir}} {
			if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
				d.t.Fatalf("%v: %v\n%s", command, err, out)
			}
		}
		probe := filepath.Join(d.dir, "probe")
		err := os.WriteFile(probe, nil, 0o644)
		if err == nil && os.Remove(probe) == nil {
			return
		}
		if time.Now().After(end) {
			d.t.Fatal(err)
		}
	}
}
