package sources

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
)

// errSlow means that a response stalled or trickled. The few bytes it brought do not count as progress.
var errSlow = errors.New("too slow")

// receive writes the body of a response to the partial.
func (d *download) receive(resp *http.Response) error {
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		d.size, d.continued = 0, false
		d.note = note{
			Total: max(resp.ContentLength, 0),
			ETag:  resp.Header.Get("ETag"), LastModified: resp.Header.Get("Last-Modified"),
		}
	case http.StatusPartialContent:
		var first, last, total int64
		_, err := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &total)
		if err != nil || first != d.size || last+1 != total || d.note.Total > 0 && total != d.note.Total {
			return d.restart("the file on the server changed: requested from byte %d, received range %q", d.size, resp.Header.Get("Content-Range"))
		}
		d.note.Total, d.continued = total, true
	case http.StatusRequestedRangeNotSatisfiable:
		return d.restart("%s for byte %d", resp.Status, d.size)
	default:
		err := fmt.Errorf("the server answers %s", resp.Status)
		if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusRequestTimeout ||
			resp.StatusCode >= 500 && resp.StatusCode != http.StatusNotImplemented {
			return err
		}
		return final{err}
	}
	if err := errors.Join(d.cut(), d.save(), d.bound()); err != nil {
		return final{err}
	}
	d.progress.Start("bytes", d.size, d.note.Total)
	err := d.copy(resp.Body)
	if syncErr := d.sync(); syncErr != nil {
		return final{errors.Join(err, syncErr)}
	}
	return err
}

// bound sets how much of the response is accepted, and refuses one that announces more.
func (d *download) bound() error {
	dir := filepath.Dir(d.file)
	d.limit = d.most
	switch {
	case d.note.Total > 0 && d.most > 0 && d.note.Total > d.most:
		return fmt.Errorf("it has %s, and max_bytes of this source allows %s", humanize.IBytes(uint64(d.note.Total)), humanize.IBytes(uint64(d.most)))
	case d.note.Total > 0:
		d.limit = d.note.Total
		return d.room.For(dir, d.note.Total-d.size)
	case d.most == 0:
		d.limit = d.size + min(mostUnknown, d.room(dir)/2)
	}
	return nil
}

// tooMuch aborts a response that is longer than the limit, and empties the partial to free the disk.
func (d *download) tooMuch() error {
	err := fmt.Errorf("more than %s came, and the server does not say how much there is; if the file is larger, set max_bytes of this source", humanize.IBytes(uint64(d.limit)))
	if d.most > 0 {
		err = fmt.Errorf("more than %s came, which is all that max_bytes of this source allows", humanize.IBytes(uint64(d.limit)))
	}
	if d.note.Total > 0 {
		err = fmt.Errorf("more came than the %s it said to have", humanize.IBytes(uint64(d.limit)))
	}
	d.size, d.note = 0, note{}
	return final{errors.Join(err, d.cut(), d.save())}
}

// copy appends body to the partial.
func (d *download) copy(body io.ReadCloser) error {
	var slow atomic.Bool
	watch := time.AfterFunc(d.web.stall, func() { slow.Store(true); body.Close() })
	defer watch.Stop()
	file := d.room.Writer(filepath.Dir(d.file), d.f)
	buf, unsynced, watched := make([]byte, 256<<10), 0, 0
	for {
		n, err := body.Read(buf)
		if watched += n; watched >= d.web.trickle {
			watched = 0
			watch.Reset(d.web.stall)
		}
		if n > 0 && d.size+int64(n) > d.limit {
			return d.tooMuch()
		}
		if n > 0 {
			if _, err := file.Write(buf[:n]); err != nil {
				return final{err}
			}
			d.size += int64(n)
			d.progress.Add(int64(n))
			if unsynced += n; unsynced >= syncEvery {
				unsynced = 0
				if err := d.sync(); err != nil {
					return final{err}
				}
				watched = 0
				watch.Reset(d.web.stall) // the time that a slow disk took is not the server's
			}
		}
		switch {
		case err == nil:
		case err == io.EOF && (d.note.Total == 0 || d.size == d.note.Total):
			d.note.Total = d.size
			return nil
		case slow.Load():
			return fmt.Errorf("%w: %d bytes came in %s, after %s", errSlow, watched, d.web.stall, d.amount())
		case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("the connection ended after %s", d.amount())
		default:
			return fmt.Errorf("after %s: %w", d.amount(), err)
		}
	}
}

func (d *download) amount() string {
	if d.note.Total == 0 {
		return humanize.IBytes(uint64(d.size))
	}
	return humanize.IBytes(uint64(d.size)) + " of " + humanize.IBytes(uint64(d.note.Total))
}
