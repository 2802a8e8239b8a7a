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

// Artifacts is a place that holds artifacts under their IDs: a Store or a remote one. An ID is the digest of a manifest, which
// lists the digests of all files, so a received artifact can be verified by its ID alone. Every implementation must pass
// storetest.Test.
type Artifacts interface {
	// Has reports whether the artifact is present.
	Has(ctx context.Context, id string) (bool, error)

	// Get writes the files of an artifact and its manifest to dir, which is empty. The error is fs.ErrNotExist if the artifact is
	// absent, and has the exit code Damaged if its content does not match its digests; the content of dir is then undefined.
	Get(ctx context.Context, id, dir string) error

	// Put stores a copy of the artifact in dir, which has the layout that Get writes. It is atomic, and does nothing if the artifact
	// is present. If dir does not hold the artifact with this ID, the error has the exit code Damaged.
	Put(ctx context.Context, id, dir string) error
}

var _ Artifacts = (*Store)(nil)

// Has checks an artifact's manifest and the sizes of its files, not their contents.
func (s *Store) Has(_ context.Context, id string) (bool, error) {
	_, err := s.readObject(id)
	if isMissing(err) {
		return false, nil
	}
	return err == nil, err
}

// Get copies an artifact and verifies the digests of the copy.
func (s *Store) Get(ctx context.Context, id, dir string) error {
	if !isDigest(id) {
		return notAnID(id)
	}
	if _, err := os.Lstat(s.objectPath(id)); err != nil {
		return fmt.Errorf("artifact %s in %s: %w", id, s.dir, err)
	}
	return copyArtifact(ctx, id, s.objectPath(id), dir)
}

// Put copies an artifact into the store. The caller must hold Share. gc removes the artifact unless a run uses it.
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

// copyArtifact copies an artifact from one directory to another and fsyncs it. The manifest is written last.
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

// copyOne copies a file of an artifact and verifies its digest.
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
