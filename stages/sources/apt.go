package sources

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"strings"
)

// Apt opens the file member of the Debian package name, which apt-get downloads and verifies. It needs no root rights.
func (g *Getter) Apt(ctx context.Context, name, member string) (*Body, error) {
	for _, tool := range []string{"apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, fmt.Errorf("this machine has no %s: Debian packages can only be downloaded on Debian and distributions based on it", tool)
		}
	}
	file, err := g.packageFile(ctx, "apt", name, ".deb", func(ctx context.Context, dir string) error {
		output, err := command(ctx, dir, "apt-get", "-q", "download", name).CombinedOutput()
		if err != nil && bytes.Contains(output, []byte("Unable to locate package")) {
			return errors.New("apt-get knows no such package; if its lists are empty or old, have `apt-get update` run once as root")
		}
		if err != nil {
			return fmt.Errorf("apt-get download: %w", failure(err, output, "E:"))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return debMember(ctx, file, member)
}

// debMember streams one file of a Debian package, and reads the package no further than that file.
func debMember(ctx context.Context, file, member string) (*Body, error) {
	ctx, cancel := context.WithCancel(ctx)
	cmd := command(ctx, "", "dpkg-deb", "--fsys-tarfile", file)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("dpkg-deb: %w", err)
	}
	t := tar.NewReader(out)
	header, names, err := find(t, member)
	if err == nil {
		stop := func() error {
			cancel()
			_ = cmd.Wait() // killed: its status says nothing
			return nil
		}
		return &Body{ReadCloser: reader{t, stop}, Size: header.Size}, nil
	}
	defer cancel()
	_, _ = io.Copy(io.Discard, out) // so that dpkg-deb ends by itself and says what is wrong
	if failed := cmd.Wait(); failed != nil {
		return nil, fmt.Errorf("dpkg-deb cannot read the package: %w", failure(failed, said.Bytes(), "dpkg-deb: error:"))
	}
	if err == io.EOF {
		err = noMember(member, names)
	}
	return nil, err
}

// find advances to a member of a tar. names are those of the members it passed. The error is io.EOF if there is none.
func find(t *tar.Reader, member string) (header *tar.Header, names []string, err error) {
	for {
		header, err := t.Next()
		if err != nil {
			return nil, names, err
		}
		name := relative(header.Name)
		if name == relative(member) {
			if header.Typeflag != tar.TypeReg {
				return nil, nil, fmt.Errorf("%s is not a regular file", member)
			}
			return header, names, nil
		}
		if header.Typeflag == tar.TypeReg {
			names = append(names, name)
		}
	}
}

// relative normalizes the name of a member, such as ./usr/x or /usr/x, to usr/x.
func relative(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

// reader reads a member; close closes the package.
type reader struct {
	io.Reader
	close func() error
}

func (r reader) Close() error { return r.close() }
