package stagetest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"tlpipe/pipeline"
	"tlpipe/pipeline/progress"
	"tlpipe/pipeline/store"
)

// ReadText reads a file of an artifact.
func ReadText(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// ArtifactOf names a directory by its content.
func ArtifactOf(t *testing.T, kind, dir string) store.Artifact {
	t.Helper()
	id := TreeDigest(t, dir)
	return store.Artifact{ID: id, Type: kind, Dir: dir, Identity: id}
}

// TreeDigest is a SHA-256 over the names and bytes of all files in dir.
func TreeDigest(t *testing.T, dir string) string {
	t.Helper()
	h := sha256.New()
	for _, name := range FilesIn(t, dir) {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(h, "%s %d\n", name, len(data))
		h.Write(data)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// FilesIn are the names of all files in a folder and below.
func FilesIn(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			name, _ := filepath.Rel(dir, path)
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// Events remembers what a stage reports.
type Events struct {
	mu   sync.Mutex
	List []progress.Event
}

func (e *Events) Handle(event progress.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.List = append(e.List, event)
}

// Texts are the texts of all events of a type.
func (e *Events) Texts(kind string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var texts []string
	for _, event := range e.List {
		if event.Type == kind {
			texts = append(texts, event.Text)
		}
	}
	return strings.Join(texts, "\n")
}

// Count is how many events of a type there were.
func (e *Events) Count(kind string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(e.List), func(event progress.Event) bool { return event.Type != kind }))
}

// attempt is a job that can be taken up again.
func NewJob(t *testing.T, in pipeline.Inputs) (*pipeline.Job, *Events) {
	t.Helper()
	seen := &Events{}
	return &pipeline.Job{Out: t.TempDir(), Scratch: t.TempDir(), Inputs: in, Progress: progress.NewReporter("test", seen)}, seen
}

// Make runs a stage on what there is, in a fresh job, and adds what it gives.
func Make(t *testing.T, s pipeline.Stage, have pipeline.Inputs) *Events {
	t.Helper()
	in := pipeline.Inputs{}
	for _, kind := range s.Takes {
		a, ok := have[kind]
		if !ok {
			t.Fatalf("%s takes %s, which is not there", s.Name, kind)
		}
		in[kind] = a
	}
	job, seen := NewJob(t, in)
	if err := s.Run(t.Context(), job); err != nil {
		t.Fatalf("%s: %v", s.Name, err)
	}
	have[s.Gives] = ArtifactOf(t, s.Gives, job.Out)
	return seen
}
