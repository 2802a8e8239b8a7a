package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"tlpipe/pipeline/exit"
)

// Artifacts is a place that keeps artifacts by their IDs: a Store, or one that is elsewhere. An ID is the digest of a manifest,
// and a manifest has the digests of all files: whoever receives an artifact knows by its ID alone that it is the right one.
// storetest.Test is what each place must pass.
type Artifacts interface {
	// Has says whether an artifact is there.
	Has(ctx context.Context, id string) (bool, error)

	// Get fills dir, which is empty, with the files of an artifact and its manifest. The error is fs.ErrNotExist where the
	// artifact is not there, and has exit.Damaged where it is not as it was written; dir then holds nothing to rely on.
	Get(ctx context.Context, id, dir string) error

	// Put keeps a copy of the artifact that dir holds as Get leaves it. What is there already stays; otherwise it is there
	// afterwards, whole, or not at all. Where dir does not hold that very artifact the error has exit.Damaged.
	Put(ctx context.Context, id, dir string) error
}

var _ Artifacts = (*Store)(nil)

// Has looks at an artifact's manifest and at the sizes of its files.
func (s *Store) Has(_ context.Context, id string) (bool, error) {
	_, err := s.readObject(id)
	if isMissing(err) {
		return false, nil
	}
	return err == nil, err
}

// Get copies an object, and compares what it copies with its digests.
func (s *Store) Get(ctx context.Context, id, dir string) error {
	if !isDigest(id) {
		return notAnID(id)
	}
	if _, err := os.Lstat(s.objectPath(id)); err != nil {
		return fmt.Errorf("artifact %s in %s: %w", id, s.dir, err)
	}
	return copyArtifact(ctx, id, s.objectPath(id), dir)
}

// Put makes a copy an object. The caller shares the store. gc takes the object unless a run uses it.
func (s *Store) Put(ctx context.Context, id, dir string) error {
	if has, err := s.Has(ctx, id); has || err != nil {
		return err
	}
	action := ActionID(id) // that of copying it here
	claim, err := s.Claim(ctx, action, "a copy of "+id, nil)
	if err != nil {
		return err
	}
	defer claim.Release()
	p, err := s.Begin(action)
	if err != nil {
		return err
	}
	if err := p.Discard(); err != nil { // what a killed attempt left is not known to be right
		return err
	}
	if p, err = s.Begin(action); err != nil {
		return err
	}
	err = copyArtifact(ctx, id, dir, p.Out)
	if err == nil {
		err = makeDir(filepath.Dir(s.objectPath(id)))
	}
	if err == nil {
		_, err = s.publish(p, id)
	}
	return errors.Join(err, p.Discard())
}

func notAnID(id string) error { return fmt.Errorf("%q is not an artifact ID (64 hex digits)", id) }

// copyArtifact copies an artifact from one directory to another, for good. The manifest comes last.
func copyArtifact(ctx context.Context, id, from, to string) error {
	data, err := os.ReadFile(filepath.Join(from, manifestName))
	var m manifest
	switch {
	case err != nil:
	case manifestID(data) != id:
		err = damagef("%s does not hash to the artifact's ID", manifestName)
	default:
		m, err = parseManifest(data)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = damagef("%s is missing", manifestName)
	}
	dirs := map[string]bool{to: true}
	for _, f := range m.Files {
		if err != nil {
			break
		}
		for dir := path.Dir(f.Path); dir != "."; dir = path.Dir(dir) {
			dirs[filepath.Join(to, filepath.FromSlash(dir))] = true
		}
		err = copyOne(ctx, f, from, to)
	}
	if isDamage(err) {
		return exit.Errorf(exit.Damaged, "artifact %s: %w", id, err)
	} else if err != nil {
		return err
	}
	if err := WriteFile(filepath.Join(to, manifestName), data); err != nil {
		return err
	}
	for dir := range dirs {
		if err := SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// copyOne copies a file of an artifact and compares it with its digest.
func copyOne(ctx context.Context, f manifestFile, from, to string) error {
	if _, err := checkState(from, f); err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	in, err := os.Open(filepath.Join(from, filepath.FromSlash(f.Path)))
	if err != nil {
		return err
	}
	defer in.Close()
	name := filepath.Join(to, filepath.FromSlash(f.Path))
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	out, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return err
	}
	n, sum, err := hashFile(readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n, err := in.Read(p)
		if _, failed := out.Write(p[:n]); failed != nil {
			return 0, failed
		}
		return n, err
	}))
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err == nil && (n != f.Bytes || sum != f.SHA256) {
		err = damagef("%s: expected SHA-256 %s, found %s", f.Path, f.SHA256, sum)
	}
	return err
}
