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
	"sync"

	"golang.org/x/sync/errgroup"
)

// Verify reads every object and record and returns the damage, sorted by path. onFile, if not nil, is called with the size of
// each file after reading it, never concurrently. Objects and records that a concurrent commit or gc adds or removes are not
// damage. The error is about a file that cannot be read now or has a newer format; then nothing is known to be damaged.
func (s *Store) Verify(ctx context.Context, onFile func(bytes int64)) ([]Damage, error) {
	records, broken, err := s.scanRecords()
	if err != nil {
		return nil, err
	}
	ids, err := s.objects()
	if err != nil {
		return nil, err
	}
	var damages []Damage
	for _, b := range broken {
		damages = append(damages, Damage{Path: b.path, What: b.why.Error()})
	}
	for _, r := range records {
		m, err := s.readManifest(r.Artifact)
		switch {
		case err == nil && m.Type != r.Type:
			damages = append(damages, Damage{Path: relRecord(r.Action), What: fmt.Sprintf("it says type %q, the artifact %q", r.Type, m.Type)})
		case err != nil && !isMissing(err):
			return nil, err
		}
		ids = append(ids, r.Artifact)
	}
	runs, err := s.Runs()
	if err != nil {
		return nil, err
	}
	for _, id := range runs {
		switch _, err := s.Used(id); {
		case isDamage(err):
			damages = append(damages, Damage{Path: filepath.Join(runsDir, id, usedName), What: err.Error()})
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		found, err := s.verifyInPlace(ctx, id, onFile)
		if err != nil {
			return nil, err
		}
		damages = append(damages, attribute(id, found, records)...)
	}
	slices.SortFunc(damages, func(a, b Damage) int { return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.What, b.What)) })
	return damages, nil
}

// VerifyArtifact is Verify for one artifact.
func (s *Store) VerifyArtifact(ctx context.Context, id string) ([]Damage, error) {
	found, err := s.verifyInPlace(ctx, id, nil)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	records, err := s.Records()
	return attribute(id, found, records), err
}

// Bytes returns how many bytes Verify will read, according to the manifests.
func (s *Store) Bytes() (int64, error) {
	ids, err := s.objects()
	var n int64
	for _, id := range ids {
		if m, err := s.readManifest(id); err == nil {
			n += m.bytes()
		}
	}
	return n, err
}

// objects returns the IDs of all objects. Other names in the directory do not belong to the store and are ignored.
func (s *Store) objects() (ids []string, err error) {
	err = s.eachShard(objectsDir, func(rel string) error {
		if id := filepath.Base(rel); isDigest(id) && rel == relObject(id) {
			ids = append(ids, id)
		}
		return nil
	})
	return ids, err
}

// verifyInPlace verifies an object, and verifies it again if a commit or gc has moved it meanwhile. Keeping the directory open
// prevents its inode from being reused, so that os.SameFile detects a replaced object.
func (s *Store) verifyInPlace(ctx context.Context, id string, onFile func(int64)) ([]Damage, error) {
	for {
		dir, err := os.Open(s.objectPath(id))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return s.missing(id)
		case err != nil:
			return nil, err
		}
		found, err := s.verifyObject(ctx, id, onFile)
		inPlace := unchanged(dir)
		dir.Close()
		if err != nil || len(found) == 0 || inPlace {
			return found, err
		}
		onFile = nil // was called already
	}
}

// missing returns damage if a record points to a missing object. Objects are created before their records and removed after them,
// so the record must have existed all the while.
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
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
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

// unchanged reports whether the path of an open file still leads to it.
func unchanged(f *os.File) bool {
	was, err := f.Stat()
	now, nowErr := os.Stat(f.Name())
	return err == nil && nowErr == nil && os.SameFile(was, now)
}

// attribute adds to the damages of an object the actions and stages whose records point to it.
func attribute(id string, found []Damage, records []Record) []Damage {
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

// whole reports whether an object is undamaged.
func (s *Store) whole(id string) (bool, error) {
	found, err := s.verifyObject(context.Background(), id, nil)
	return len(found) == 0, err
}

// verifyObject reads all files of an object and returns the damage.
func (s *Store) verifyObject(ctx context.Context, id string, onFile func(int64)) ([]Damage, error) {
	m, err := s.readManifest(id)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case isMissing(err):
		return []Damage{{Path: filepath.Join(relObject(id), manifestName), What: err.Error()}}, nil
	case err != nil:
		return nil, err
	}
	dir := s.objectPath(id)
	found, err := foreignFiles(dir, relObject(id), m)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(hashers)
	for _, f := range m.Files {
		g.Go(func() error {
			_, err := checkState(dir, f)
			if err == nil {
				err = checkContent(ctx, dir, f)
			}
			if err != nil && !isMissing(err) {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				found = append(found, Damage{Path: filepath.Join(relObject(id), filepath.FromSlash(f.Path)), What: err.Error()})
			}
			if onFile != nil {
				onFile(f.Bytes)
			}
			return nil
		})
	}
	return found, g.Wait()
}

// foreignFiles returns the files in an object's directory that are not in its manifest.
func foreignFiles(dir, rel string, m manifest) (found []Damage, err error) {
	known := map[string]bool{manifestName: true}
	for _, f := range m.Files {
		known[f.Path] = true
	}
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // the object is being moved
			return nil
		} else if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err == nil && !e.IsDir() && !known[filepath.ToSlash(name)] {
			found = append(found, Damage{Path: filepath.Join(rel, name), What: "not in the manifest"})
		}
		return err
	})
	return found, err
}

// checkContent returns an error if the content of a file does not match its digest.
func checkContent(ctx context.Context, dir string, f manifestFile) error {
	file, err := os.Open(filepath.Join(dir, filepath.FromSlash(f.Path)))
	if errors.Is(err, fs.ErrNotExist) {
		return damagef("missing")
	} else if err != nil {
		return err
	}
	defer file.Close()
	_, sum, err := hashFile(readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return file.Read(p)
	}))
	if err == nil && sum != f.SHA256 {
		err = damagef("expected SHA-256 %s, found %s", f.SHA256, sum)
	}
	return err
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
