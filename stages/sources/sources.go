package sources

import (
	"io"

	"tlpipe/pipeline/progress"
)

// Getter gets files for one run of one action.
type Getter struct {
	scratch  string // where partials and packages lie
	progress *progress.Reporter
	web      web
	Room     Room // on the disk

	unreachable map[string]bool  // hosts that could not be connected to: asked once a run, not once a file
	packages    map[string]error // packages that could not be downloaded, likewise
}

// New makes a Getter that keeps unfinished work in the directory scratch.
func New(scratch string, p *progress.Reporter) *Getter {
	return &Getter{
		scratch: scratch, progress: p, web: newWeb(), Room: DiskRoom,
		unreachable: map[string]bool{}, packages: map[string]error{},
	}
}

// Body is a file as its source gives it.
type Body struct {
	io.ReadCloser
	Size      int64  // in bytes; 0: not known
	Partial   string // a file of just these bytes that may be moved away; empty: there is none
	Continued bool   // the bytes are of several answers, perhaps not all of the same version

	SHA256 string   // what the bytes had when they were looked at; empty: they were not
	Notes  []string // what is not read, for people
}
