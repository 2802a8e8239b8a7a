package sources

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// Local reads a local file, or packs a folder into a tar: entries sorted by name, folders before what they hold,
// without times or owners, so that the same files always give the same bytes. A link in a folder counts as the file it
// leads to; one that leaves the folder is an error, and so is what is neither file nor folder.
func Local(ctx context.Context, path string) (*Body, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return packFolder(ctx, path)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is neither a file nor a folder", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return &Body{ReadCloser: f, Size: info.Size()}, nil
}

// LocalKey tells apart states of a file, by its content, or of a folder, by the names, sizes and modification times in
// it. To read a folder's files at every plan would be slow. Its key only decides whether it is packed again: what comes
// of it is named by content.
func LocalKey(ctx context.Context, path string, digests *Digests) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.IsDir() {
		h := sha256.New()
		entries, err := listFolder(ctx, path)
		if err != nil {
			return "", err
		}
		for _, e := range entries {
			fmt.Fprintf(h, "%q %d %d\n", e.name, e.size, e.modified)
		}
		return fmt.Sprintf("folder of %d names, listing sha256:%s", len(entries), hex.EncodeToString(h.Sum(nil))), nil
	}
	digest, err := digests.SHA256(ctx, path)
	return "sha256:" + digest, err
}

// entry is a file or a folder (its name ends in a slash) in a folder.
type entry struct {
	name     string // relative, with forward slashes
	size     int64
	modified int64 // nanoseconds; 0 for a folder
}

func (e entry) isDir() bool { return strings.HasSuffix(e.name, "/") }

// listFolder lists a folder bytewise by name.
func listFolder(ctx context.Context, path string) ([]entry, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var entries []entry
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err := errors.Join(err, ctx.Err()); err != nil || name == "." {
			return err
		}
		if d.IsDir() {
			entries = append(entries, entry{name: name + "/"})
			return nil
		}
		info, err := root.Stat(name) // follows links, but not out of the folder
		if err != nil {
			return fmt.Errorf("%q in %s: %w", name, path, plain(err))
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%q in %s is neither a file nor a folder", name, path)
		}
		entries = append(entries, entry{name: name, size: info.Size(), modified: info.ModTime().UnixNano()})
		return nil
	})
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return entries, err
}

// plain takes the operation and path off an error of a file.
func plain(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func packFolder(ctx context.Context, path string) (*Body, error) {
	entries, err := listFolder(ctx, path)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	var total int64
	for _, e := range entries {
		const block = 512
		total += block + (e.size+block-1)/block*block
	}
	r, w := io.Pipe()
	go func() {
		err := writeTar(ctx, w, root, entries)
		w.CloseWithError(errors.Join(err, root.Close())) // nil ends the tar
	}()
	return &Body{ReadCloser: r, Size: total}, nil
}

func writeTar(ctx context.Context, w io.Writer, root *os.Root, entries []entry) error {
	t := tar.NewWriter(w)
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		header := &tar.Header{Typeflag: tar.TypeReg, Name: e.name, Mode: 0o644, Size: e.size}
		if e.isDir() {
			header.Typeflag, header.Mode = tar.TypeDir, 0o755
		}
		if err := t.WriteHeader(header); err != nil {
			return fmt.Errorf("pack %q: %w", e.name, err)
		}
		if e.isDir() {
			continue
		}
		if err := packFile(t, root, e); err != nil {
			return fmt.Errorf("pack %q: %w", e.name, plain(err))
		}
	}
	return t.Close()
}

func packFile(t *tar.Writer, root *os.Root, e entry) error {
	f, err := root.Open(e.name)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := io.Copy(t, f)
	if errors.Is(err, tar.ErrWriteTooLong) || err == nil && n != e.size {
		return errors.New("the file changed while it was packed")
	}
	return err
}
