package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"tlpipe/pipeline/store"
	"tlpipe/stages/standin"
)

// maxEntries limits the files and folders in a folder: links to folders can multiply their targets.
const maxEntries = 5_000_000

// entry is a file, or a folder (its name ends in a slash), in a folder.
type entry struct {
	name       string      // relative, with forward slashes
	known      knownDigest // of a file's content, once it was read
	unreadable string      // why it cannot be read and is left out; empty: it is read
}

func (e *entry) isDir() bool { return strings.HasSuffix(e.name, "/") }

func (e *entry) isFile() bool { return !e.isDir() && e.unreadable == "" }

// lister lists a folder. Links are followed, also to targets outside of the folder.
type lister struct {
	ctx     context.Context
	root    string
	entries []entry
	loops   []string // names of links to a folder that contains them
	closed  []Closed
}

// inode identifies a folder whichever path leads to it.
type inode struct{ device, number uint64 }

// listFolder lists a folder in bytewise order of names. It does not read the files; entries that cannot be read because of
// what they are, such as devices, have a reason.
func listFolder(ctx context.Context, root string) (*Snapshot, error) {
	l := &lister{ctx: ctx, root: root}
	if err := l.folder("", nil); err != nil {
		return nil, err
	}
	slices.Sort(l.loops)
	slices.SortFunc(l.closed, func(a, b Closed) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(l.entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return &Snapshot{path: root, folder: true, entries: l.entries, loops: l.loops, closed: l.closed}, nil
}

// folder lists a folder recursively; name is empty or ends in a slash. within are the folders that contain it, along the
// path that led to it.
func (l *lister) folder(name string, within []inode) error {
	f, err := os.OpenFile(l.root+"/"+name, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if err != nil {
		return l.noFolder(name, err)
	}
	defer f.Close() // closing twice is harmless
	var st unix.Stat_t
	if err := retry(func() error { return unix.Fstat(int(f.Fd()), &st) }); err != nil {
		return err
	}
	self := inode{uint64(st.Dev), st.Ino}
	if slices.Contains(within, self) {
		l.loops = append(l.loops, strings.TrimSuffix(name, "/"))
		return nil
	}
	if st.Blocks == 0 && ofKernel(int(f.Fd())) {
		return l.noFolder(name, &notAFile{"a folder of the kernel's, not one on a disk"})
	}
	if name != "" {
		if store.Holds(l.root + "/" + name) { // a store is written by runs and is not part of the data set
			return nil
		}
		l.entries = append(l.entries, entry{name: name})
	}
	folders, err := l.files(f, name)
	if err := errors.Join(err, f.Close()); err != nil { // before descending: a deep tree would keep many folders open
		return err
	}
	within = append(slices.Clip(within), self)
	for _, folder := range folders {
		if err := l.folder(folder, within); err != nil {
			return err
		}
	}
	return nil
}

// files adds the files of an open folder, and returns the names of the folders in it.
func (l *lister) files(f *os.File, name string) (folders []string, err error) {
	for {
		const some = 4096
		found, err := f.ReadDir(some)
		for _, d := range found {
			isFolder, err := l.add(name+d.Name(), d.Type())
			if err != nil {
				return nil, err
			}
			if isFolder {
				folders = append(folders, name+d.Name()+"/")
			}
		}
		if err == io.EOF {
			return folders, nil
		}
		if err := errors.Join(err, l.ctx.Err()); err != nil {
			return nil, err
		}
	}
}

// noFolder records a folder that cannot be listed.
func (l *lister) noFolder(name string, err error) error {
	if name == "" {
		return err
	}
	name = strings.TrimSuffix(name, "/")
	if reason := standing(err); reason != "" {
		l.closed = append(l.closed, Closed{name, reason})
	}
	return l.aside(name, err)
}

// add records an entry of a folder. For a folder it only returns isFolder.
func (l *lister) add(name string, mode fs.FileMode) (isFolder bool, err error) {
	if len(l.entries) >= maxEntries {
		return false, fmt.Errorf("%s holds more than %d files; links in it may multiply what they lead to, such as %q", l.root, maxEntries, name)
	}
	if mode.IsDir() {
		return true, nil
	}
	if !mode.IsRegular() { // such as a link
		var st unix.Stat_t
		err := stat(l.root+"/"+name, &st)
		if err == nil {
			err = refuseType(st.Mode)
		}
		if err == errIsFolder {
			return true, nil
		}
		if err != nil {
			return false, l.aside(name, l.pointer(name, err))
		}
	}
	l.entries = append(l.entries, entry{name: name})
	return false, nil
}

// pointer returns err, or for a link to a file that a clone has not downloaded yet (git-annex) an error that says so.
func (l *lister) pointer(name string, err error) error {
	target, linkErr := os.Readlink(l.root + "/" + name)
	if other := standin.Of([]byte(target), "the file itself"); linkErr == nil && other != "" {
		return &notAFile{other}
	}
	return err
}

// aside records an entry that cannot be read and will not be at another time either; any other error it returns.
func (l *lister) aside(name string, err error) error {
	reason := standing(err)
	if reason == "" {
		return fmt.Errorf("%q in %s: %w", name, l.root, plain(err))
	}
	l.entries = append(l.entries, entry{name: name, unreadable: reason})
	return nil
}

// standing returns the reason why a file cannot be read until someone repairs it. It is empty for an error that may be gone
// at the next attempt, such as an I/O error or too many open files.
func standing(err error) string {
	var not *notAFile
	switch {
	case errors.As(err, &not):
		return not.what
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return "a link that leads nowhere"
	case errors.Is(err, unix.ELOOP):
		return "a link that leads to itself"
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return "permission denied"
	case errors.Is(err, unix.ENAMETOOLONG):
		return "its name is too long"
	}
	return ""
}

// plain strips the operation and path from an *fs.PathError.
func plain(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
