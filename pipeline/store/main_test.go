package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tlpipe/pipeline/failpoint"
)

// The test binary doubles as the processes that die or hold locks in the tests: childEnv names what it is to do.
const childEnv = "TLPIPE_STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	role, args, _ := strings.Cut(os.Getenv(childEnv), " ")
	run, ok := map[string]func([]string) error{
		"commit": childCommit, "gc": childGC, "show": childShow, "drop": childDrop, "hold": childHold, "claim": childClaim, "sleep": childSleep, "unreadable": childUnreadable, "few": childFew,
	}[role]
	if !ok {
		os.Exit(m.Run())
	}
	if err := run(strings.Split(args, " ")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// child starts the test binary in a role. It dies with the test.
func child(t *testing.T, role string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), childEnv+"="+strings.Join(append([]string{role}, args...), " "))
	cmd.Stderr = os.Stderr
	return cmd
}

// childCommit DIR ACTION commits testFiles.
func childCommit(args []string) error {
	s, err := Open(args[0])
	if err != nil {
		return err
	}
	if _, err := s.Lock("test"); err != nil {
		return err
	}
	p, err := s.Begin(KeyID(testKey(args[1])))
	if err != nil {
		return err
	}
	if err := put(p.Out, map[string]string{"a.txt": "al", "sub/.b.bin123": "b"}); err != nil {
		return err
	}
	failpoint.Here("mid-stage")
	_, err = s.make(args[1], testFiles)
	return err
}

// childGC DIR collects what no run used.
func childGC(args []string) error {
	s, err := Open(args[0])
	if err != nil {
		return err
	}
	plan, err := s.PlanGC(1)
	if err != nil {
		return err
	}
	return plan.Collect()
}

// childShow DIR RUN has latest/ show a run.
func childShow(args []string) error {
	s, err := Open(args[0])
	if err != nil {
		return err
	}
	r, err := s.Used(args[1])
	if err == nil {
		_, err = s.EndRun(r)
	}
	return err
}

// childDrop DIR drops all damage.
func childDrop(args []string) error {
	s, err := Open(args[0])
	if err != nil {
		return err
	}
	damages, err := s.Verify(context.Background(), nil)
	if err != nil {
		return err
	}
	made, err := s.MadeFrom(damages)
	return errors.Join(err, s.Drop(append(damages, made...)))
}

func open(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "artifacts"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func testKey(name string) []Line {
	return []Line{{"stage", "decode"}, {"version", "1"}, {"name", name}}
}

var (
	testFiles = map[string]string{"a.txt": "alpha", "sub/b.bin": strings.Repeat("b", 3000), "sub/deep/c.txt": ""}
	testMade  = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
)

func testRecord(name string) Record {
	return Record{Stage: "decode", Key: testKey(name), Run: "r1", Made: testMade, Seconds: 1.5}
}

func put(dir string, files map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(files[name]), 0o666); err != nil {
			return err
		}
	}
	return nil
}

// make commits files as the result of the action called name.
func (s *Store) make(name string, files map[string]string) (Artifact, error) {
	p, err := s.Begin(KeyID(testKey(name)))
	if err != nil {
		return Artifact{}, err
	}
	if err := put(p.Out, files); err != nil {
		return Artifact{}, err
	}
	return p.Commit(testRecord(name), "images", "")
}

// mustRun notes a run of a config that used some artifacts, by stage.
func mustRun(t *testing.T, s *Store, name string, uses ...Use) Run {
	t.Helper()
	id, _, err := s.NewRun(name)
	if err != nil {
		t.Fatal(err)
	}
	r := Run{ID: id, Name: name, Files: []string{"/configs/" + name + ".yaml"}, Settings: "s", Complete: true, Used: uses}
	if err := s.KeepRun(r); err != nil {
		t.Fatal(err)
	}
	return r
}

func mustMake(t *testing.T, s *Store, name string, files map[string]string) Artifact {
	t.Helper()
	a, err := s.make(name, files)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func wantClean(t *testing.T, s *Store) {
	t.Helper()
	damages, err := s.Verify(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range damages {
		t.Errorf("damage: %v", d)
	}
}

// wantText checks that a message has all parts.
func wantText(t *testing.T, got string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(got, part) {
			t.Errorf("message lacks %q:\n%s", part, got)
		}
	}
}

// force writes over a read-only file.
func force(t *testing.T, path, text string) {
	t.Helper()
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// wantOnly checks that a store holds one artifact and nothing unfinished.
func wantOnly(t *testing.T, s *Store, a Artifact) {
	t.Helper()
	wantClean(t, s)
	ids, err := s.objects()
	if err != nil || len(ids) != 1 || ids[0] != a.ID {
		t.Errorf("objects %v, %v", ids, err)
	}
	if records, err := s.Records(); err != nil || len(records) != 1 || records[0].Artifact != a.ID {
		t.Errorf("records %v, %v", records, err)
	}
	if left, err := os.ReadDir(s.path(scratchDir)); err != nil || len(left) != 0 {
		t.Errorf("scratch holds %v, %v", left, err)
	}
}

// look is Lookup where everything can be read.
func look(t testing.TB, s *Store, id ActionID) (Record, Artifact, string) {
	t.Helper()
	r, a, miss, err := s.Lookup(id)
	if err != nil {
		t.Fatal(err)
	}
	return r, a, miss
}
