package sources

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"
)

const (
	leastSpare  = 1 << 30  // bytes of a disk that stay free; on a small disk one spareShare-th of it
	spareShare  = 20       // 1/spareShare of a small disk stays free
	mostUnknown = 16 << 30 // size limit in bytes where the server does not announce the size
)

// Room returns how many bytes may be written to the disk of a folder. It leaves a reserve, since a full disk would stop other
// programs.
type Room func(dir string) int64

// DiskRoom is the Room of the actual disk.
func DiskRoom(dir string) int64 {
	var st unix.Statfs_t
	if err := retry(func() error { return unix.Statfs(dir, &st) }); err != nil || st.Blocks == 0 {
		return math.MaxInt64 // not known: a full disk is reported when writing fails
	}
	size, free := int64(st.Blocks)*st.Bsize, int64(st.Bavail)*st.Bsize
	return max(0, free-min(leastSpare, size/spareShare))
}

// NoRoomError means that the disk has no room for the file of a source.
type NoRoomError struct {
	Bytes int64 // size of the file; 0: not known
	Room  int64
	Dir   string
}

func (e *NoRoomError) Error() string {
	wanted, state := "more is", "full"
	if e.Bytes > 0 {
		wanted = humanize.IBytes(uint64(e.Bytes)) + " are"
	}
	if e.Room >= leastSpare {
		state = "too small"
	}
	return fmt.Sprintf("the disk of %s is %s: it has room for %s, and %s to be written; make room (`tlpipe gc` drops what no config uses) or use --store on another disk, and run again",
		e.Dir, state, humanize.IBytes(uint64(e.Room)), wanted)
}

// For returns a *NoRoomError if the disk of dir has no room for this many bytes.
func (r Room) For(dir string, bytes int64) error {
	if left := r(dir); bytes > left {
		return &NoRoomError{bytes, left, dir}
	}
	return nil
}

// Writer returns a writer to w, a file in the folder dir, that fails with a *NoRoomError once the disk has no room.
func (r Room) Writer(dir string, w io.Writer) io.Writer { return &roomWriter{r, dir, w} }

type roomWriter struct {
	room Room
	dir  string
	w    io.Writer
}

func (w *roomWriter) Write(p []byte) (int, error) {
	if w.room(w.dir) < int64(len(p)) {
		return 0, &NoRoomError{Room: w.room(w.dir), Dir: w.dir}
	}
	return w.w.Write(p)
}

// watch cancels the returned context once the disk has no room, while another program writes to it. stop ends the watch and
// returns the *NoRoomError if that was the reason.
func (r Room) watch(ctx context.Context, dir string) (_ context.Context, stop func() error) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		for ctx.Err() == nil {
			if r(dir) == 0 {
				cancel(&NoRoomError{Dir: dir})
			}
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	return ctx, func() error {
		cancel(nil)
		if full, ok := context.Cause(ctx).(*NoRoomError); ok {
			return full
		}
		return nil
	}
}
