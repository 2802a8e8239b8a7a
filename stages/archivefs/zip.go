package archivefs

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// openZip lists a zip.
func openZip(ctx context.Context, f *os.File) (_ *Archive, err error) {
	a := &Archive{file: f}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	r, err := zip.NewReader(f, info.Size())
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // unsafe names are skipped below
		if errors.Is(err, zip.ErrFormat) {
			return nil, errors.New("truncated or damaged: no zip directory at its end; remove it and fetch it again")
		}
		return nil, fmt.Errorf("damaged: %w", err)
	}
	for _, file := range r.File {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := a.addZip(file); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *Archive) addZip(file *zip.File) error {
	const encrypted = 1
	mode := file.Mode()
	switch {
	case mode.IsDir():
		return a.add(file.Name, Entry{Dir: true})
	case !mode.IsRegular():
		a.Skipped = append(a.Skipped, file.Name)
		return nil
	case file.Flags&encrypted != 0:
		return fmt.Errorf("%q is encrypted; unpack it and pack it again without a password", file.Name)
	}
	size := int64(min(file.UncompressedSize64, 1<<62))
	return a.add(file.Name, Entry{Size: size, read: func([]byte) ([]byte, error) {
		r, err := file.Open()
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(r) // it fails beyond the size that the zip's directory says, which Read has judged
		return data, errors.Join(err, r.Close())
	}})
}
