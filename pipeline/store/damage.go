package store

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"tlpipe/pipeline/exit"
)

// Damage is a part of the store that differs from what was written: a file is missing, or has another size or content. A file
// that cannot be read at the moment (an I/O error, a missing permission, too few file descriptors) is not damaged: that is an
// error, which ends a command before it deletes anything.
type Damage struct {
	Artifact string     `json:"artifact,omitempty"` // its ID; empty where a record is at fault
	Path     string     `json:"path"`               // relative to the store
	What     string     `json:"what"`
	Actions  []ActionID `json:"actions,omitempty"` // actions whose records point to the artifact
	Stages   []string   `json:"stages,omitempty"`  // stages of those records
}

func (d Damage) String() string {
	text := d.Path + ": " + d.What
	if len(d.Stages) > 0 {
		text += " (made by " + strings.Join(d.Stages, ", ") + ")"
	}
	return text
}

// damaged is an error about content that was read and differs from what was written, or that is missing.
type damaged struct{ error }

func damagef(format string, args ...any) error { return damaged{fmt.Errorf(format, args...)} }

func (d damaged) Unwrap() error { return d.error }

// isDamage reports whether an error is about content. A file in place of a directory, or the reverse, counts as damage.
func isDamage(err error) bool {
	var d damaged
	return errors.As(err, &d) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.EISDIR)
}

// isMissing reports whether an error means that a file does not exist or is damaged.
func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) || isDamage(err) }

// newer is the error for a file that a later version of tlpipe wrote in a format unknown to this one.
func newer(path string, format, known int) error {
	return exit.Errorf(exit.Failed, "%s was written by a newer tlpipe (format %d, this one knows %d); it is left alone: use the newer tlpipe, or another store with --store DIR",
		path, format, known)
}
