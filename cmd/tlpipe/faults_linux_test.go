package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline/exit"
)

// smallConfig needs no model: fetch, decode and normalize.
const smallConfig = `name: small
stages:
  - fetch: {sources: [{path: data}]}
  - decode: {format: image-folder, size: 32}
  - normalize: {mode: caffe, split: {val: 0.25}}
`

// newSmall is a chain of those stages. It runs this test's own program, which TestMain puts on PATH.
func newSmall(t *testing.T) *chain {
	t.Helper()
	bin, err := exec.LookPath("tlpipe")
	if err != nil {
		t.Fatal(err)
	}
	c := &chain{t, t.TempDir(), bin}
	if err := writeImages(filepath.Join(c.dir, "data"), 6, 32); err != nil {
		t.Fatal(err)
	}
	c.write("chain.yaml", smallConfig)
	return c
}

// shell runs a script in a mount namespace of its own, where it may mount what it likes.
func (c *chain) shell(script string) string {
	c.t.Helper()
	cmd := exec.Command("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script)
	cmd.Dir = c.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		if exec.Command("unshare", "--user", "--map-root-user", "--mount", "true").Run() != nil {
			if os.Getenv("CI") != "" {
				c.t.Fatal("needs a mount namespace, which is not permitted here; in CI no test is left out")
			}
			c.t.Skip("needs a mount namespace, which is not permitted here")
		}
		c.t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// stored are the artifacts that `status --json` lists, by stage.
func stored(t *testing.T, status []byte) map[string]string {
	t.Helper()
	var sum summary
	if err := json.Unmarshal(status, &sum); err != nil {
		t.Fatalf("%v\n%s", err, status)
	}
	ids := map[string]string{}
	for _, s := range slices.Concat(sum.Stages, sum.Models) {
		ids[s.Stage] = s.Artifact
	}
	return ids
}

// TestFullDiskInARun lets the disk fill up in each of the stages: the run ends with its own exit code, and with more room
// the next one completes it, to the same bytes.
func TestFullDiskInARun(t *testing.T) {
	c := newSmall(t)
	c.must(exit.Done, "run", "chain.yaml")
	whole := c.artifacts("artifacts")
	in := map[string]bool{}
	for _, kib := range []int{16, 48, 96, 128, 160, 176, 192, 208, 240, 280} {
		out := c.shell(fmt.Sprintf(`mkdir -p disk && mount -t tmpfs -o size=%dk tmpfs disk
			tlpipe run chain.yaml --store disk/artifacts >log 2>&1; echo "code $?"
			mount -o remount,size=64m disk
			tlpipe run chain.yaml --store disk/artifacts >log2 2>&1 && tlpipe verify --store disk/artifacts >verified && tlpipe status --json chain.yaml --store disk/artifacts`, kib))
		code, status, _ := strings.Cut(out, "\n")
		said := c.read("log")
		switch code {
		case "code 0":
			in["none"] = true
		case "code 14":
			if !regexp.MustCompile(`disk (of .* )?is full: .*run again|no space left on device; free some space and run again`).MatchString(said) {
				t.Errorf("%d KiB: what is said is not of the disk:\n%s", kib, said)
			}
			where := regexp.MustCompile(`(?m)^tlpipe: (fetch|decode|normalize)?`).FindStringSubmatch(said)
			in[where[1]] = true
		default:
			t.Errorf("%d KiB: %s\n%s", kib, code, said)
		}
		if diff := cmp.Diff(whole, stored(t, []byte(status))); diff != "" {
			t.Errorf("%d KiB: with room again, the artifacts are others:\n%s", kib, diff)
		}
	}
	t.Logf("the disk was full in %v", in)
	if !in["fetch"] || !in["decode"] || !in["normalize"] {
		t.Errorf("the disk was full only in %v", in)
	}
}

// TestReadOnlyStore: what only reads works, and a run says what is in its way.
func TestReadOnlyStore(t *testing.T) {
	c := newSmall(t)
	out := c.shell(`mkdir disk && mount -t tmpfs tmpfs disk && tlpipe run chain.yaml --store disk/artifacts >log 2>&1 || exit 1
		mount -o remount,ro disk
		for command in "status chain.yaml" "plan chain.yaml" "explain chain.yaml" verify "run chain.yaml" gc "verify --repair"; do
			tlpipe $command --store disk/artifacts >log 2>&1; echo "$command: $?"; grep tlpipe: log
		done
		tlpipe run chain.yaml --store disk/other 2>&1; echo "other: $?"`)
	for _, want := range []string{
		"status chain.yaml: 0\n", "plan chain.yaml: 0\n", "explain chain.yaml: 0\n", "verify: 0\n",
		"run chain.yaml: 1\ntlpipe: the store " + c.dir + "/disk/artifacts cannot be written: ", "read-only file system; make it writable, or name another place with --store DIR",
		"gc: 1\ntlpipe: the store ", "verify --repair: 1\ntlpipe: the store ",
		"tlpipe: make the store " + c.dir + "/disk/other: ", "other: 1\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("lacks %q:\n%s", want, out)
		}
	}
}

// TestFewOpenFiles: with too few descriptors a run ends with its own exit code or completes, and nothing is taken for a
// damaged image. Below eight descriptors Go itself does not start.
func TestFewOpenFiles(t *testing.T) {
	c := newSmall(t)
	c.must(exit.Done, "run", "chain.yaml")
	whole, refused := c.artifacts("artifacts"), 0
	for limit := 8; limit <= 20; limit++ {
		name := fmt.Sprintf("store-%d", limit)
		limited := exec.Command("sh", "-c", fmt.Sprintf(`exec 2>&1; ulimit -n %d; tlpipe run chain.yaml --store %s --set decode.workers=8; echo "code $?"`, limit, name))
		limited.Dir = c.dir
		text, err := limited.Output()
		if err != nil {
			t.Fatal(err)
		}
		out := string(text)
		switch {
		case strings.HasSuffix(out, "code 0\n"):
		case strings.Contains(out, "too many open files") && strings.HasSuffix(out, "code 14\n") && strings.Contains(out, "ulimit -n"):
			refused++
		default:
			t.Errorf("%d descriptors:\n%s", limit, out)
		}
		c.must(exit.Done, "run", "chain.yaml", "--store", name)
		if diff := cmp.Diff(whole, c.artifacts(name)); diff != "" {
			t.Errorf("%d descriptors: afterwards the artifacts are others:\n%s", limit, diff)
		}
	}
	t.Logf("%d limits were too low", refused)
	if refused == 0 {
		t.Error("no limit was too low")
	}
}

// TestFlippedBits flips a bit in each stored file, one after the other: each is found and named. With one in every
// artifact at once, and in a record, all are dropped and made again, to the same bytes.
func TestFlippedBits(t *testing.T) {
	c := newSmall(t)
	c.must(exit.Done, "run", "chain.yaml")
	whole := c.artifacts("artifacts")
	var files []string
	for _, dir := range []string{"objects", "records"} {
		filepath.WalkDir(filepath.Join(c.dir, "artifacts", dir), func(path string, e fs.DirEntry, err error) error {
			if info, infoErr := e.Info(); err == nil && infoErr == nil && e.Type().IsRegular() && info.Size() > 0 {
				files = append(files, path)
			}
			return nil
		})
	}
	last := map[string]string{} // a file of each artifact and of the records
	for _, path := range files {
		rel, _ := filepath.Rel(filepath.Join(c.dir, "artifacts"), path)
		last[strings.Join(strings.Split(rel, "/")[:3], "/")] = path
		if err := flipBit(path); err != nil {
			t.Fatal(err)
		}
		if out := c.must(exit.Damaged, "verify"); !strings.Contains(out, rel) {
			t.Errorf("a flipped bit in %s is not named:\n%s", rel, out)
		}
		if err := flipBit(path); err != nil { // back
			t.Fatal(err)
		}
	}
	c.must(exit.Done, "verify")
	for _, path := range last {
		if err := flipBit(path); err != nil {
			t.Fatal(err)
		}
	}
	c.must(exit.Done, "verify", "--repair")
	c.must(exit.Done, "run", "chain.yaml")
	c.must(exit.Done, "verify")
	if diff := cmp.Diff(whole, c.artifacts("artifacts")); diff != "" || len(last) < 6 {
		t.Errorf("made again after %d flips:\n%s", len(last), diff)
	}
}

// TestClockJumps: no time that is written anywhere decides what is done again.
func TestClockJumps(t *testing.T) {
	c := newSmall(t)
	c.must(exit.Done, "run", "chain.yaml")
	whole := c.artifacts("artifacts")
	for _, year := range []int{1971, 2099} {
		records, err := filepath.Glob(filepath.Join(c.dir, "artifacts/records/*/*.json"))
		if err != nil || len(records) < 3 {
			t.Fatalf("records %v, %v", records, err)
		}
		for _, path := range records {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			dated := regexp.MustCompile(`"made": "\d{4}`).ReplaceAll(text, fmt.Appendf(nil, `"made": "%d`, year))
			dated = regexp.MustCompile(`,\s+"sha256": "[0-9a-f]+"`).ReplaceAll(dated, nil)
			sum := sha256.Sum256(dated) // what the record ends with
			dated = fmt.Appendf(bytes.TrimSuffix(dated, []byte("\n}\n")), ",\n  \"sha256\": \"%x\"\n}\n", sum)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, dated, 0o444); err != nil || !strings.Contains(string(dated), fmt.Sprint(year)) {
				t.Fatalf("%v\n%s", err, dated)
			}
		}
		then := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		err = filepath.WalkDir(filepath.Join(c.dir, "artifacts"), func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.Type()&fs.ModeSymlink != 0 {
				return err
			}
			return os.Chtimes(path, then, then)
		})
		if err != nil {
			t.Fatal(err)
		}
		if out := c.must(exit.Done, "run", "chain.yaml"); !strings.Contains(out, "nothing to do") {
			t.Errorf("%d: work was done again:\n%s", year, out)
		}
		c.must(exit.Done, "verify")
		c.must(exit.Done, "gc")
		if diff := cmp.Diff(whole, c.artifacts("artifacts")); diff != "" {
			t.Errorf("%d: %s", year, diff)
		}
		c.must(exit.Done, "run", "chain.yaml", "--set", "normalize.split.val=0.5")
		c.must(exit.Done, "run", "chain.yaml")
	}
}

// TestRunsTogether starts four runs on one store at once: each does the work, or is told who holds the store.
func TestRunsTogether(t *testing.T) {
	c := newSmall(t)
	outs, codes := make([]string, 4), make([]int, 4)
	var group sync.WaitGroup
	for i := range outs {
		group.Go(func() {
			out, err := c.command("run", "chain.yaml").CombinedOutput()
			outs[i], codes[i] = string(out), exitCode(t, err)
		})
	}
	group.Wait()
	if !slices.Contains(codes, exit.Done) {
		t.Errorf("no run completed: %v\n%s", codes, outs[0])
	}
	for i, code := range codes {
		if code != exit.Done && (code != exit.Locked || !regexp.MustCompile(`is locked by process \d+ on .* \(tlpipe run chain.yaml, since|is locked by another process`).MatchString(outs[i])) {
			t.Errorf("exit code %d:\n%s", code, outs[i])
		}
	}
	c.must(exit.Done, "verify")
	if out := c.must(exit.Done, "run", "chain.yaml"); !strings.Contains(out, "nothing to do") {
		t.Errorf("the runs left work:\n%s", out)
	}
}

// must runs a command that has to end with an exit code, and returns what it printed.
func (c *chain) must(code int, args ...string) string {
	c.t.Helper()
	out, err := c.command(args...).CombinedOutput()
	if got := exitCode(c.t, err); got != code {
		c.t.Fatalf("%v: exit code %d, want %d\n%s", args, got, code, out)
	}
	return string(out)
}

func (c *chain) read(name string) string {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, name))
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}
