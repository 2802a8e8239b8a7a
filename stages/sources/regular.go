package sources

import (
	"errors"
	"io/fs"
	"slices"

	"golang.org/x/sys/unix"

	"tlpipe/pipeline/filestate"
)

// notAFile is the error for a path that is neither a regular file nor a folder; what says what it is.
type notAFile struct{ what string }

func (n *notAFile) Error() string { return n.what }

// openFile opens a path that was seen to be a regular file. Nothing else may be opened: opening a FIFO waits for a writer, and
// a device may deliver bytes without end. As the path may have been replaced since, it is opened with O_NONBLOCK and checked
// again. (It returns a descriptor since an os.File would add a third to the time of reading a small file.)
func openFile(path string) (fd int, state filestate.State, err error) {
	err = retry(func() error {
		fd, err = unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return -1, state, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	var st unix.Stat_t
	err = retry(func() error { return unix.Fstat(fd, &st) })
	switch {
	case err != nil:
		err = &fs.PathError{Op: "stat", Path: path, Err: err}
	case refuseType(st.Mode) != nil:
		err = refuseType(st.Mode)
	case st.Blocks == 0 && ofKernel(fd): // a file on a disk occupies blocks, unless it is empty
		err = &notAFile{"a file of the kernel's, not one on a disk"}
	default:
		return fd, filestate.Of(&st), nil
	}
	return -1, state, errors.Join(err, unix.Close(fd))
}

func refuseType(mode uint32) error {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return nil
	case unix.S_IFDIR:
		return errIsFolder
	case unix.S_IFIFO:
		return &notAFile{"a FIFO, neither a file nor a folder"}
	case unix.S_IFSOCK:
		return &notAFile{"a socket, neither a file nor a folder"}
	case unix.S_IFCHR, unix.S_IFBLK:
		return &notAFile{"a device, neither a file nor a folder"}
	}
	return &notAFile{"neither a file nor a folder"}
}

var errIsFolder = errors.New("a folder, not a file")

// kernels are the types of file systems (statfs f_type) whose files the kernel generates when they are read: their content is
// not stored, and some have no end.
var kernels = []uint32{
	unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC, unix.SECURITYFS_MAGIC,
	unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC, unix.DEVPTS_SUPER_MAGIC, unix.BPF_FS_MAGIC,
}

func ofKernel(fd int) bool {
	var st unix.Statfs_t
	return retry(func() error { return unix.Fstatfs(fd, &st) }) == nil && slices.Contains(kernels, uint32(st.Type))
}

func stat(path string, st *unix.Stat_t) error {
	if err := retry(func() error { return unix.Stat(path, st) }); err != nil {
		return &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return nil
}

// retry repeats a system call that a signal interrupted.
func retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}
