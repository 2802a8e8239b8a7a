package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// filling is the room of a disk that has so much of it beside the files in it.
func filling(room int64) Room {
	return func(dir string) int64 {
		entries, _ := os.ReadDir(dir)
		left := room
		for _, e := range entries {
			if info, err := e.Info(); err == nil {
				left -= info.Size()
			}
		}
		return max(0, left)
	}
}

// No server fills the disk, whatever it says of how much it has.
func TestURLBounds(t *testing.T) {
	t.Parallel()
	endless := func(_ int, w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		for r.Context().Err() == nil {
			w.Write(data)
		}
	}
	saying := func(length int64) func(int, http.ResponseWriter, *http.Request) {
		return func(_ int, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(length))
			for r.Context().Err() == nil && length > 0 {
				n, _ := w.Write(data[:min(length, int64(len(data)))])
				length -= int64(n)
			}
		}
	}
	chunked := func(_ int, w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush() // so that no length is said
		w.Write(data)
	}
	const mib = 1 << 20
	for _, test := range []struct {
		name   string
		answer func(n int, w http.ResponseWriter, r *http.Request)
		most   int64
		room   int64
		want   string // empty: it is taken
		full   bool   // for want of room
	}{
		{"said", saying(2 * mib), 0, 3 * mib, "", false},
		{"said, as much as is allowed", saying(2 * mib), 2 * mib, 3 * mib, "", false},
		{"said, more than is allowed", saying(2*mib + 1), 2 * mib, 3 * mib, "it has 2.0 MiB, and max_bytes of this source allows 2.0 MiB", false},
		{"said, more than any disk", saying(math.MaxInt64), 0, 3 * mib, "is full: it has room for 3.0 MiB, and 8.0 EiB are to be written; make room", true},
		{"said, more than there is room for", saying(4 * mib), 0, 3 * mib, "is full: it has room for 3.0 MiB, and 4.0 MiB are to be written; make room", true},
		{"not said", chunked, 0, 3 * mib, "", false},
		{"not said, as much as is allowed", chunked, mib, 3 * mib, "", false},
		{"not said, more than is allowed", chunked, mib - 1, 3 * mib, "more than 1024 KiB came, which is all that max_bytes of this source allows", false},
		{"endless", endless, 0, 8 * mib, "more than 4.0 MiB came, and the server does not say how much there is; if the file is larger, set max_bytes of this source", false},
		{"endless, more allowed than there is room for", endless, 100 * mib, 8 * mib, "and more is to be written", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, (*httptest.Server).StartTLS, test.answer)
			g := getter(t, t.TempDir(), s)
			g.Room = filling(test.room)
			body, err := g.URL(t.Context(), s.URL, "archive", true, test.most)
			if test.want == "" {
				if err != nil || len(read(t, body, err)) != int(body.Size) {
					t.Errorf("got error %v", err)
				}
				return
			}
			var full *NoRoomError
			if err == nil || !strings.Contains(err.Error(), test.want) || errors.As(err, &full) != test.full {
				t.Errorf("got error %v, want %q", err, test.want)
			}
			if n := len(s.asked()); n != 1 {
				t.Errorf("asked %d times", n)
			}
			info, err := os.Stat(g.partial("archive", s.URL))
			if err != nil || info.Size() > test.room || info.Size() > 0 && !test.full {
				t.Errorf("left a partial of %d bytes, %v", info.Size(), err)
			}
		})
	}
}

// A download that ended for want of room goes on when there is some.
func TestURLContinuesWithRoom(t *testing.T) {
	t.Parallel()
	s := serve(t, (*httptest.Server).StartTLS, func(_ int, w http.ResponseWriter, r *http.Request) { whole(w, r) })
	g := getter(t, t.TempDir(), s)
	room := int64(2 << 20)
	g.Room = func(string) int64 { room -= 256 << 10; return room } // others write, too
	var full *NoRoomError
	if _, err := g.URL(t.Context(), s.URL, "archive", true, 0); !errors.As(err, &full) {
		t.Fatalf("got error %v", err)
	}
	g.Room = DiskRoom
	body, err := g.URL(t.Context(), s.URL, "archive", true, 0)
	if got := read(t, body, err); string(got) != string(data) || !body.Continued {
		t.Errorf("got %d bytes, continued %v", len(got), body.Continued)
	}
}

// What other programs download ends, too, before it fills the disk.
func TestPackageFillsTheDisk(t *testing.T) {
	t.Parallel()
	g := getter(t, t.TempDir())
	g.Room = filling(1 << 20)
	begun := time.Now()
	_, err := g.packageFile(t.Context(), "pip", "x==1", ".whl", func(ctx context.Context, dir string) error {
		f, err := os.Create(filepath.Join(dir, "x.whl"))
		if err != nil {
			return err
		}
		defer f.Close()
		for ctx.Err() == nil && time.Since(begun) < 10*time.Second {
			f.Write(data)
			time.Sleep(time.Millisecond)
		}
		return ctx.Err()
	})
	var full *NoRoomError
	if !errors.As(err, &full) {
		t.Errorf("got error %v", err)
	}
	if left, err := os.ReadDir(filepath.Join(g.scratch, "pip")); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestDiskRoom(t *testing.T) {
	if room := DiskRoom(t.TempDir()); room <= 0 || room == math.MaxInt64 {
		t.Errorf("there is room for %d bytes", room)
	}
	if room := DiskRoom(filepath.Join(t.TempDir(), "none")); room != math.MaxInt64 {
		t.Errorf("where nothing is, there is room for %d bytes", room)
	}
	if n, err := filling(10).Writer(t.TempDir(), io.Discard).Write(make([]byte, 11)); n != 0 || err == nil {
		t.Errorf("wrote %d bytes, %v", n, err)
	}
}
