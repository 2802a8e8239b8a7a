package decode

import (
	"bytes"
	"fmt"
	"os"
	"sync"

	"tlpipe/pipeline/sanitize"
	"tlpipe/stages/imagefile"
)

// mostNamed is of how many files the log says by name what a decoder printed.
const mostNamed = 1000

// decoderLog decodes files and puts their names to what a decoder prints of them. libjpeg in TensorFlow writes of a damaged
// file, and knows no name; where that goes to a file, as in the worker, it grows, and then the files are decoded once more,
// each alone.
type decoderLog struct {
	file *os.File // where the decoders print; what is no regular file is not watched

	alone sync.RWMutex // held by a file that is decoded alone
	named int          // files so far
}

// decode is imagefile.DecodeAll of files with these names.
func (l *decoderLog) decode(names []string, files [][]byte, images []imagefile.Image, opts imagefile.Options) []error {
	l.alone.RLock()
	before := l.end()
	errs := imagefile.DecodeAll(files, images, opts)
	grown := l.end() > before
	l.alone.RUnlock()
	if grown {
		for i, err := range errs { // what could not be read is listed with its reason
			if err == nil {
				l.name(names[i], files[i], opts)
			}
		}
	}
	return errs
}

// end is the size of the file, 0 where that says nothing.
func (l *decoderLog) end() int64 {
	info, err := l.file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	return info.Size()
}

// name decodes a file once more and repeats what is printed of it with its name.
func (l *decoderLog) name(name string, file []byte, opts imagefile.Options) {
	l.alone.Lock()
	defer l.alone.Unlock()
	if l.named == mostNamed {
		return
	}
	opts.Room = nil // no other is decoded
	from := l.end()
	imagefile.Decode(file, opts)
	said := make([]byte, max(0, l.end()-from))
	n, _ := l.file.ReadAt(said, from)
	if said = bytes.TrimSpace(said[:n]); len(said) == 0 {
		return
	}
	for line := range bytes.Lines(said) {
		fmt.Fprintf(l.file, "%s: %s\n", sanitize.Name(name), bytes.TrimSpace(line))
	}
	if l.named++; l.named == mostNamed {
		fmt.Fprintln(l.file, "of further files such messages stand here without their names")
	}
}
