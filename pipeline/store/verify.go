package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Damage is something in the store that is not as it was written.
type Damage struct {
	Artifact string     `json:"artifact,omitempty"` // its ID; empty where a record, or a foreign file, is at fault
	Path     string     `json:"path"`               // relative to the store
	What     string     `json:"what"`
	Actions  []ActionID `json:"actions,omitempty"` // whose records point to the artifact
	Stages   []string   `json:"stages,omitempty"`  // of those records
}

func (d Damage) String() string {
	text := d.Path + ": " + d.What
	if len(d.Stages) > 0 {
		text += " (made by " + strings.Join(d.Stages, ", ") + ")"
	}
	return text
}

// Verify reads every object and every record again and lists what is not as it was written, by path. onFile, if not
// nil, is told the size of each file that has been read, one call at a time. A commit or gc meanwhile is no damage.
func (s *Store) Verify(ctx context.Context, onFile func(bytes int64)) ([]Damage, error) {
	records, broken, err := s.scanRecords()
	if err != nil {
		return nil, err
	}
	ids, foreign, err := s.objects()
	if err != nil {
		return nil, err
	}
	var damages []Damage
	for _, b := range broken {
		damages = append(damages, Damage{Path: b.path, What: b.why.Error()})
	}
	for _, rel := range foreign {
		damages = append(damages, Damage{Path: rel, What: "not an object"})
	}
	for _, r := range records {
		if m, err := s.readManifest(r.Artifact); err == nil && m.Type != r.Type {
			damages = append(damages, Damage{Path: relRecord(r.Action), What: fmt.Sprintf("it says type %q, the artifact %q", r.Type, m.Type)})
		}
		ids = append(ids, r.Artifact)
	}
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		found, err := s.verifyInPlace(ctx, id, onFile)
		if err != nil {
			return nil, err
		}
		damages = append(damages, s.attribute(id, found)...)
	}
	slices.SortFunc(damages, func(a, b Damage) int { return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.What, b.What)) })
	return damages, nil
}

// VerifyArtifact does for one artifact what Verify does for all.
func (s *Store) VerifyArtifact(ctx context.Context, id string) ([]Damage, error) {
	found, err := s.verifyInPlace(ctx, id, nil)
	return s.attribute(id, found), err
}

// Bytes is what Verify has to read, as far as the manifests can tell.
func (s *Store) Bytes() (int64, error) {
	ids, _, err := s.objects()
	var n int64
	for _, id := range ids {
		if m, err := s.readManifest(id); err == nil {
			n += m.bytes()
		}
	}
	return n, err
}

// objects lists the IDs of all objects, and the paths of what lies among them without being one.
func (s *Store) objects() (ids, foreign []string, err error) {
	err = s.eachShard(objectsDir, func(rel string) error {
		id := filepath.Base(rel)
		info, err := os.Lstat(s.path(rel))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case isDigest(id) && rel == relObject(id) && info.IsDir():
			ids = append(ids, id)
		default:
			foreign = append(foreign, rel)
		}
		return nil
	})
	return ids, foreign, err
}

// verifyInPlace reads an object and makes sure that what it found wrong is not due to a commit or gc that moved the
// object meanwhile. The open directory keeps its inode from being used again, so SameFile tells.
func (s *Store) verifyInPlace(ctx context.Context, id string, onFile func(int64)) ([]Damage, error) {
	for {
		dir, err := os.Open(s.objectPath(id))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return s.missing(id)
		case err != nil:
			return []Damage{{Path: relObject(id), What: err.Error()}}, nil
		}
		found, err := s.verifyObject(ctx, id, onFile)
		inPlace := unchanged(dir)
		dir.Close()
		if err != nil || len(found) == 0 || inPlace {
			return found, err
		}
		onFile = nil // has been told already
	}
}

// missing says whether a record points to an object that is not there. Objects come before their records and go after
// them, so it takes a record that was there all along.
func (s *Store) missing(id string) ([]Damage, error) {
	records, err := s.Records()
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		if r.Artifact != id {
			continue
		}
		file, err := os.Open(s.recordPath(r.Action))
		if err != nil {
			continue
		}
		data, err := io.ReadAll(file)
		_, objectErr := os.Lstat(s.objectPath(id))
		there := unchanged(file)
		file.Close()
		if now, parseErr := parseRecord(data, r.Action); err == nil && parseErr == nil && now.Artifact == id && there && errors.Is(objectErr, fs.ErrNotExist) {
			return []Damage{{Path: relObject(id), What: "missing"}}, nil
		}
	}
	return nil, nil
}

// unchanged says whether an open file is still what its path names.
func unchanged(f *os.File) bool {
	was, err := f.Stat()
	now, nowErr := os.Stat(f.Name())
	return err == nil && nowErr == nil && os.SameFile(was, now)
}

// attribute adds to the damages of an object whose records point to it.
func (s *Store) attribute(id string, found []Damage) []Damage {
	if len(found) == 0 {
		return nil
	}
	records, _ := s.Records() // best effort: the damage itself counts
	var actions []ActionID
	var stages []string
	for _, r := range records {
		if r.Artifact == id {
			actions, stages = append(actions, r.Action), append(stages, r.Stage)
		}
	}
	slices.Sort(actions)
	slices.Sort(stages)
	stages = slices.Compact(stages)
	for i := range found {
		found[i].Artifact, found[i].Actions, found[i].Stages = id, actions, stages
	}
	return found
}

// whole says whether an object is just as it was written.
func (s *Store) whole(id string) bool {
	found, err := s.verifyObject(context.Background(), id, nil)
	return err == nil && len(found) == 0
}

// verifyObject reads all files of an object. The error is that of ctx alone.
func (s *Store) verifyObject(ctx context.Context, id string, onFile func(int64)) ([]Damage, error) {
	m, err := s.readManifest(id)
	if err != nil {
		return []Damage{{Path: filepath.Join(relObject(id), manifestName), What: err.Error()}}, ctx.Err()
	}
	dir := s.objectPath(id)
	found := foreignFiles(dir, relObject(id), m)
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(hashers)
	for _, f := range m.Files {
		g.Go(func() error {
			why := checkSize(dir, f)
			if why == "" {
				why = checkContent(ctx, dir, f)
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if why != "" {
				found = append(found, Damage{Path: filepath.Join(relObject(id), filepath.FromSlash(f.Path)), What: why})
			}
			if onFile != nil {
				onFile(f.Bytes)
			}
			return nil
		})
	}
	return found, g.Wait()
}

// foreignFiles lists what lies in an object and is not in its manifest.
func foreignFiles(dir, rel string, m manifest) []Damage {
	known := map[string]bool{manifestName: true}
	for _, f := range m.Files {
		known[f.Path] = true
	}
	var found []Damage
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		name, relErr := filepath.Rel(dir, path)
		if relErr != nil || err == nil && (e.IsDir() || known[filepath.ToSlash(name)]) {
			return nil
		}
		what := "not in the manifest"
		if err != nil {
			what = err.Error()
		}
		found = append(found, Damage{Path: filepath.Join(rel, name), What: what})
		return nil
	})
	return found
}

func checkContent(ctx context.Context, dir string, f manifestFile) (why string) {
	file, err := os.Open(filepath.Join(dir, filepath.FromSlash(f.Path)))
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	_, sum, err := hashFile(readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return file.Read(p)
	}))
	switch {
	case err != nil:
		return err.Error()
	case sum != f.SHA256:
		return fmt.Sprintf("expected SHA-256 %s, found %s", f.SHA256, sum)
	}
	return ""
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
