package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/sanitize"
)

// output is a file that a flag names for a result that is known only at the end. It is looked at before the work
// begins, so that a name that cannot be written costs no work.
type output struct {
	flag, path string
	target     string // where path leads to through symbolic links
	kind       outputKind
}

type outputKind int

const (
	inPlace    outputKind = iota // a regular file in a folder that cannot be written, or a device
	replaced                     // a regular file or one that is not there yet: written beside its place and renamed
	descriptor                   // one of this process's open files, as in /dev/stdout; target is its number
	pipe                         // a FIFO
)

// openOutput looks at where an output would be written; nil without an error: the flag is not given.
func openOutput(flag, path string) (*output, error) {
	if path == "" {
		return nil, nil
	}
	o := &output{flag: flag, path: path}
	if err := o.inspect(); err != nil {
		return nil, exit.Errorf(exit.Usage, "--%s %s: %w", flag, path, err)
	}
	return o, nil
}

func (o *output) inspect() error {
	var info fs.FileInfo
	var err error
	if o.target, info, err = follow(o.path); err != nil {
		return err
	}
	dir := filepath.Dir(o.target)
	switch {
	case o.isDescriptor(dir):
		o.kind, o.target = descriptor, filepath.Base(o.target)
		return nil
	case info == nil:
		if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
			return fmt.Errorf("nothing can be written to the folder %s: %w", dir, err)
		}
		o.kind = replaced
		return nil
	case info.IsDir():
		return errors.New("it is a folder; name a file in it")
	case info.Mode().Type() == fs.ModeSocket:
		return errors.New("it is a socket; name a file, a pipe or a device")
	}
	if err := unix.Access(o.target, unix.W_OK); err != nil {
		return err
	}
	switch {
	case info.Mode().Type() == fs.ModeNamedPipe:
		o.kind = pipe
	case info.Mode().IsRegular() && unix.Access(dir, unix.W_OK|unix.X_OK) == nil:
		o.kind = replaced
	}
	return nil
}

// isDescriptor says whether files in dir are this process's open ones.
func (o *output) isDescriptor(dir string) bool {
	own, err := filepath.EvalSymlinks("/proc/self/fd")
	return err == nil && dir == own
}

// follow goes through symbolic links up to what is none, or is not there (info is nil then), or is an open file of a
// process: such a link leads nowhere where it stands for a pipe.
func follow(path string) (target string, info fs.FileInfo, err error) {
	const most = 40 // as Linux does
	for range most {
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return "", nil, err
		}
		if dir, err = filepath.Abs(dir); err != nil {
			return "", nil, err
		}
		path = filepath.Join(dir, filepath.Base(path))
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return path, nil, nil
		case err != nil:
			return "", nil, err
		case info.Mode().Type() != fs.ModeSymlink, filepath.Base(dir) == "fd" && filepath.HasPrefix(dir, "/proc/"):
			return path, info, nil
		}
		link, err := os.Readlink(path)
		if err != nil {
			return "", nil, err
		}
		if !filepath.IsAbs(link) {
			link = filepath.Join(dir, link)
		}
		path = link
	}
	return "", nil, unix.ELOOP
}

// write writes the whole of the output, sanitized as what is printed.
func (o *output) write(ctx context.Context, text []byte) error {
	text = []byte(sanitize.Text(string(text)))
	var err error
	switch o.kind {
	case replaced:
		err = renameio.WriteFile(o.target, text, 0o644, renameio.WithExistingPermissions())
	case descriptor:
		var fd int
		if fd, err = strconv.Atoi(o.target); err == nil {
			err = writeDescriptor(fd, text)
		}
	case pipe:
		err = writePipe(ctx, o.target, text)
	default:
		err = writeInPlace(o.target, os.O_TRUNC, text)
	}
	if err != nil {
		return exit.FromText(fmt.Errorf("--%s %s: %w", o.flag, o.path, err))
	}
	return nil
}

func writeInPlace(path string, flags int, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|flags, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// writeDescriptor goes on where the open file stands, so that what was printed there before stays.
func writeDescriptor(fd int, text []byte) error {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(own), "descriptor")
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// pipeWait is how long a pipe may be without a reader once there is something to read.
const pipeWait = 10 * time.Second

// writePipe waits for a reader, but not without end.
func writePipe(ctx context.Context, path string, text []byte) error {
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		err := writeInPlace(path, unix.O_NONBLOCK, text) // opens only where there is a reader; Go's poller does the waiting
		switch {
		case !errors.Is(err, unix.ENXIO):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Since(begun) > pipeWait:
			return fmt.Errorf("nothing reads this pipe, for %s", pipeWait)
		}
	}
}
