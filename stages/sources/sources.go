package sources

import (
	"io"

	"tlpipe/pipeline/progress"
)

// Getter fetches files for one execution of one stage.
type Getter struct {
	scratch  string // folder of partials and packages
	progress *progress.Reporter
	web      web
	Room     Room // on the disk

	unreachable map[string]bool  // hosts that could not be reached: tried once in a run, not once for each file
	packages    map[string]error // packages that could not be downloaded, likewise
}

// New returns a Getter that keeps unfinished downloads in the folder scratch.
func New(scratch string, p *progress.Reporter) *Getter {
	return &Getter{
		scratch: scratch, progress: p, web: newWeb(), Room: DiskRoom,
		unreachable: map[string]bool{}, packages: map[string]error{},
	}
}

// Body is the content that a source delivers.
type Body struct {
	io.ReadCloser
	Size      int64  // in bytes; 0: not known
	Partial   string // path of a file with exactly these bytes, which may be moved away; empty: none
	Continued bool   // the bytes come from several responses, perhaps of different versions of the file

	SHA256 string   // digest from the snapshot, in hex; empty: there is none
	Notes  []string // messages for users about what is not read
}
