package sources

import (
	"archive/tar"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"tlpipe/stages/archivefs"
)

// Local reads a local file, or packs a folder into a tar. The tar's entries are sorted by name, folders before their content,
// without times or owners, so that the same files always give the same bytes. Links in the folder are followed. A file that
// cannot be read becomes an entry with the reason (archivefs.UnreadableRecord).
//
// seen is an earlier snapshot of the path: a file that no longer matches it is a *ChangedError. Where seen is nil, the caller
// verifies the bytes.
func Local(ctx context.Context, path string, seen *Snapshot) (*Body, error) {
	var st unix.Stat_t
	err := stat(path, &st)
	if err == nil {
		err = refuseType(st.Mode)
	}
	if err == errIsFolder && seen == nil { // the files of a folder have no digests of their own
		seen, err = (*Digests)(nil).Look(ctx, path)
	}
	switch {
	case seen == nil && err == nil:
		return localFile(path)
	case seen == nil:
		return nil, err
	case err != nil && err != errIsFolder:
		return nil, &ChangedError{path, err}
	case seen.folder != (err == errIsFolder):
		return nil, &ChangedError{Path: path}
	case seen.folder:
		return seen.pack(ctx), nil
	}
	body, err := localFile(path)
	if err != nil {
		return nil, &ChangedError{path, err}
	}
	body.ReadCloser = seenFile{body.ReadCloser, path}
	sum := seen.entries[0].known.sha256
	body.SHA256 = hex.EncodeToString(sum[:])
	return body, nil
}

// Copy copies a file to the path to. The error is a *ChangedError if the file no longer has the digest that Look saw.
func (d *Digests) Copy(ctx context.Context, path, to string) (err error) {
	seen, err := d.Look(ctx, path)
	if err != nil {
		return err
	}
	if seen.folder {
		return &fs.PathError{Op: "read", Path: path, Err: errIsFolder}
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	r := newHasher()
	_, err = r.file(ctx, seen.path, out)
	var gone *fs.PathError
	switch {
	case err == nil && r.sum() != seen.entries[0].known.sha256:
		err = &ChangedError{Path: seen.path}
	case errors.As(err, &gone) && gone.Path == seen.path:
		err = &ChangedError{seen.path, err}
	}
	if changed := (*ChangedError)(nil); errors.As(err, &changed) {
		d.Forget(path)
	}
	return err
}

// seenFile is a file that could be read before: an error of reading it now is a *ChangedError.
type seenFile struct {
	io.ReadCloser
	path string
}

func (f seenFile) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = &ChangedError{f.path, err}
	}
	return n, err
}

func localFile(path string) (*Body, error) {
	fd, state, err := openFile(path)
	if err == nil {
		err = unix.SetNonblock(fd, false)
	}
	if err != nil {
		return nil, err
	}
	const more = 1 // byte beyond the expected end, to notice a file that grows
	f := os.NewFile(uintptr(fd), path)
	return &Body{ReadCloser: reader{io.LimitReader(f, state.Bytes+more), f.Close}, Size: state.Bytes}, nil
}

// pack returns a folder as a tar that is written while it is read.
func (s *Snapshot) pack(ctx context.Context) *Body {
	const block = 512
	total := int64(2 * block)
	for i := range s.entries {
		total += block + (s.entries[i].known.state.Bytes+block-1)/block*block
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(s.writeTar(ctx, w)) }() // nil ends the tar
	return &Body{ReadCloser: r, Size: total, Notes: s.Notes()}
}

func (s *Snapshot) writeTar(ctx context.Context, w io.Writer) error {
	t := tar.NewWriter(w)
	r := newHasher()
	for i := range s.entries {
		e := &s.entries[i]
		header := &tar.Header{Typeflag: tar.TypeReg, Name: e.name, Mode: 0o644, Size: e.known.state.Bytes}
		switch {
		case e.isDir():
			header.Typeflag, header.Mode = tar.TypeDir, 0o755
		case e.unreadable != "":
			header.Typeflag, header.Linkname = tar.TypeSymlink, "unreadable"
			header.PAXRecords = map[string]string{archivefs.UnreadableRecord: e.unreadable}
		}
		if err := t.WriteHeader(header); err != nil {
			return fmt.Errorf("pack %q: %w", e.name, err)
		}
		if e.isFile() {
			if err := s.packFile(ctx, t, r, e); err != nil {
				return err
			}
		}
	}
	return t.Close()
}

// packFile writes a file to the tar. It must match the snapshot.
func (s *Snapshot) packFile(ctx context.Context, t *tar.Writer, r *hasher, e *entry) error {
	path := s.at(e)
	state, err := r.file(ctx, path, t)
	var failed *fs.PathError
	switch {
	case errors.As(err, &failed):
		return &ChangedError{path, err}
	case errors.Is(err, tar.ErrWriteTooLong), errors.Is(err, errIsFolder), standing(err) != "", err == nil && (state.Bytes != e.known.state.Bytes || e.known.sha256 != r.sum()):
		return &ChangedError{Path: path}
	}
	return err
}
