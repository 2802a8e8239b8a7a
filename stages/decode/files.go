package decode

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"

	"github.com/dustin/go-humanize"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sys/unix"

	"tlpipe/pipeline/exit"
	"tlpipe/stages/archivefs"
	"tlpipe/stages/imagefile"
)

const (
	smallFiles = 256 << 10 // most bytes of files that are read together
	largeFile  = 1 << 20   // from here on a file is looked at before it is read, and takes memory of its own

	// largeRoom is what all large files take together that are read at the same time. It holds the largest that is read.
	largeRoom = archivefs.MaxEntrySize
)

// fileReader decodes the image files of an archive. What they take in memory does not depend on what they announce: a
// zip of 10 MB can hold any number of files of 256 MB, and as many are read at a time as there are processors.
type fileReader struct {
	archive *archivefs.Archive
	entries []int32 // of the items
	opts    imagefile.Options
	log     *decoderLog

	room    *semaphore.Weighted // for large files
	buffers sync.Pool           // of small ones
}

func newFileReader(archive *archivefs.Archive, entries []int32, opts imagefile.Options) *fileReader {
	return &fileReader{
		archive: archive, entries: entries, opts: opts, log: &decoderLog{file: os.Stderr},
		room:    semaphore.NewWeighted(largeRoom),
		buffers: sync.Pool{New: func() any { return new([][]byte) }},
	}
}

// read is that of an imageSource.
func (r *fileReader) read(from int, results []readResult) {
	for len(results) > 0 {
		n := r.together(from, len(results))
		if entry := r.entries[from]; r.archive.Entries[entry].Size >= largeFile {
			results[0] = r.readLarge(int(entry), results[0].picture.pix)
		} else {
			r.readSmall(r.entries[from:from+n], results[:n])
		}
		from, results = from+n, results[n:]
	}
}

// together is how many of the next n files to hold at once: one, or as many as are small.
func (r *fileReader) together(from, n int) int {
	total := int64(0)
	for i, entry := range r.entries[from : from+n] {
		if total += r.archive.Entries[entry].Size; total > smallFiles {
			return max(i, 1)
		}
	}
	return n
}

// readSmall reads and decodes small files together.
func (r *fileReader) readSmall(entries []int32, results []readResult) {
	buffers := r.buffers.Get().(*[][]byte)
	defer r.buffers.Put(buffers)
	*buffers = slices.Grow((*buffers)[:0], len(entries))[:len(entries)]
	var files [][]byte
	var names []string
	var at []int // where in results
	for i, entry := range entries {
		data, err := r.archive.Read(int(entry), (*buffers)[i])
		if err != nil {
			results[i] = unread(err)
			continue
		}
		(*buffers)[i] = data
		files, names, at = append(files, data), append(names, r.archive.Entries[entry].Name), append(at, i)
	}
	images := make([]imagefile.Image, len(files))
	for k, i := range at {
		images[k].Pix = results[i].picture.pix
	}
	for k, err := range r.log.decode(names, files, images, r.opts) {
		results[at[k]] = decoded(images[k], err)
	}
}

// readLarge reads and decodes one large file, if it begins as a picture does. Its memory is not the garbage collector's,
// which would keep that of several such files before it gives one back.
func (r *fileReader) readLarge(entry int, pix []byte) readResult {
	const enough = 512 // bytes, to tell what a file is
	head, err := r.archive.Head(entry, enough)
	if err != nil {
		return unread(err)
	}
	if !imagefile.Known(head) {
		_, err := imagefile.Decode(head, r.opts) // says what it seems to be
		return readResult{rejected: err}
	}
	size := r.archive.Entries[entry].Size
	if err := r.room.Acquire(context.Background(), size); err != nil { // those before it end by themselves
		return readResult{failed: err}
	}
	defer r.room.Release(size)
	memory, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return readResult{failed: exit.Errorf(exit.Resources,
			"no memory for a file of %s: %w; free some, or set decode.workers lower, and run again: it continues from what is done", humanize.IBytes(uint64(size)), err)}
	}
	defer unix.Munmap(memory)
	data, err := r.archive.Read(entry, memory)
	if err != nil {
		return unread(err)
	}
	images := []imagefile.Image{{Pix: pix}}
	errs := r.log.decode([]string{r.archive.Entries[entry].Name}, [][]byte{data}, images, r.opts)
	return decoded(images[0], errs[0])
}

// unread is the result for a file that could not be read. Only a failure of the archive's own file ends the run.
func unread(err error) readResult {
	var disk *archivefs.DiskError
	if errors.As(err, &disk) {
		return readResult{failed: err}
	}
	return readResult{rejected: err}
}

// decoded is the result for a file that could be read.
func decoded(m imagefile.Image, err error) readResult {
	return readResult{picture: picture{[3]int{m.Height, m.Width, 3}, m.Pix, m.Transparent}, rejected: err}
}
