package store

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"tlpipe/pipeline/exit"
)

// Damage is something in the store that is not as it was written: a file is missing, or it has another size or content.
// What cannot be read at the moment (an I/O error, a missing permission, too few file descriptors) is no damage: it is
// an error that ends a command before it deletes anything.
type Damage struct {
	Artifact string     `json:"artifact,omitempty"` // its ID; empty where a record is at fault
	Path     string     `json:"path"`               // relative to the store
	What     string     `json:"what"`
	Actions  []ActionID `json:"actions,omitempty"` // whose records point to the artifact
	Stages   []string   `json:"stages,omitempty"`  // of those records
}

func (d Damage) String() string {
	text := d.Path + ": " + d.What
	if len(d.Stages) > 0 {
		text += " (made by " + strings.Join(d.Stages, ", ") + ")"
	}
	return text
}

// damaged is an error about content that was read and is not as it was written, or that is missing.
type damaged struct{ error }

func damagef(format string, args ...any) error { return damaged{fmt.Errorf(format, args...)} }

func (d damaged) Unwrap() error { return d.error }

// isDamage says whether an error is about content. A file where a directory should be, or the other way round, is.
func isDamage(err error) bool {
	var d damaged
	return errors.As(err, &d) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.EISDIR)
}

// isMissing says whether an error is that of a file that is not there, or of content that is not as it was written.
func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) || isDamage(err) }

// newer is the error about something that a later version of tlpipe wrote, whose meaning this one cannot know.
func newer(path string, format, known int) error {
	return exit.Errorf(exit.Failed, "%s was written by a newer tlpipe (format %d, this one knows %d); it is left alone: use the newer tlpipe, or another store with --store DIR",
		path, format, known)
}
