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
	leastSpare  = 1 << 30  // bytes of a disk that no source may fill, or a share of them on a small one
	spareShare  = 20       // one part in so many
	mostUnknown = 16 << 30 // bytes that may come of a server that does not say how many there are
)

// Room tells how many bytes there is room for on the disk that a folder lies on. Some are left to other work, which a
// full disk would stop.
type Room func(dir string) int64

// DiskRoom is the room there is.
func DiskRoom(dir string) int64 {
	var st unix.Statfs_t
	if err := retry(func() error { return unix.Statfs(dir, &st) }); err != nil || st.Blocks == 0 {
		return math.MaxInt64 // not known: a full disk shows when it is written
	}
	size, free := int64(st.Blocks)*st.Bsize, int64(st.Bavail)*st.Bsize
	return max(0, free-min(leastSpare, size/spareShare))
}

// NoRoomError says that the disk has no room for what a source gives.
type NoRoomError struct {
	Bytes int64 // that are wanted; 0: not known
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

// For is a *NoRoomError if there is no room for so many bytes.
func (r Room) For(dir string, bytes int64) error {
	if left := r(dir); bytes > left {
		return &NoRoomError{bytes, left, dir}
	}
	return nil
}

// Writer writes to w, in a folder, while there is room.
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

// watch ends ctx when there is no room any more, for what others write. stop gives the error, if that was why.
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
