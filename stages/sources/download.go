package sources

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/google/renameio/v2"
	"github.com/hashicorp/go-retryablehttp"

	"tlpipe/pipeline/progress"
)

const (
	syncEvery   = 32 << 20 // bytes between two syncs of a partial
	maxAttempts = 1000     // also while each one brings new bytes
)

// download gets one address into its partial.
type download struct {
	web      *web
	url      string
	file     string
	pinned   bool
	most     int64 // bytes that are taken; 0: what there is room for
	room     Room
	progress *progress.Reporter

	f         *os.File
	size      int64 // of the partial
	note      note
	continued bool          // not all bytes came in one answer
	best      int64         // the largest size so far
	bestAt    time.Time     // when it was reached
	failures  int           // since then
	wait      time.Duration // before the next attempt
	limit     int64         // bytes that the answer may make of the partial
}

// note is what is known of a partial. It lies beside it.
type note struct {
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
	Total        int64  `json:"total"`  // size of the whole file; 0: not known
	Synced       int64  `json:"synced"` // so many bytes survive a power cut
}

func (n note) validator() string {
	if n.ETag != "" && !strings.HasPrefix(n.ETag, "W/") {
		return n.ETag
	}
	return n.LastModified
}

// run downloads until the partial is whole.
func (d *download) run(ctx context.Context) error {
	if err := d.open(); err != nil {
		return final{err}
	}
	defer d.f.Close()
	if d.note.Total > 0 && d.size == d.note.Total {
		d.continued = true
		return d.sync()
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodGet, d.url, nil)
	if err != nil {
		return final{err}
	}
	req.Header.Set("User-Agent", "tlpipe")
	req.Header.Set("Accept-Encoding", "identity")
	d.ask(req.Request)
	req.SetResponseHandler(d.receive)
	client := retryablehttp.Client{
		HTTPClient: d.web.client, RetryMax: maxAttempts, CheckRetry: d.again,
		Backoff:      func(_, _ time.Duration, _ int, _ *http.Response) time.Duration { return d.wait },
		PrepareRetry: func(r *http.Request) error { d.ask(r); return nil },
		ErrorHandler: func(_ *http.Response, err error, attempts int) (*http.Response, error) {
			if attempts > 1 && ctx.Err() == nil {
				err = fmt.Errorf("%w (%d attempts)", err, attempts)
			}
			return nil, err
		},
	}
	_, err = client.Do(req)
	return err
}

// open opens the partial and decides how much of it can be used.
func (d *download) open() (err error) {
	if text, err := os.ReadFile(d.file + ".json"); err != nil || json.Unmarshal(text, &d.note) != nil {
		d.note = note{}
	}
	if d.f, err = os.OpenFile(d.file, os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return err
	}
	info, err := d.f.Stat()
	if err != nil {
		return err
	}
	d.size = info.Size()
	if !d.pinned { // nothing would notice bytes that a power cut lost
		d.size = min(d.size, d.note.Synced)
	}
	d.best, d.bestAt = d.size, time.Now()
	return d.cut()
}

// cut gives the partial the size it is said to have.
func (d *download) cut() error {
	if err := d.f.Truncate(d.size); err != nil {
		return err
	}
	_, err := d.f.Seek(d.size, io.SeekStart)
	return err
}

// ask sets what part of the file is asked for.
func (d *download) ask(req *http.Request) {
	req.Header.Del("Range")
	req.Header.Del("If-Range")
	validator := d.note.validator()
	if d.size == 0 || validator == "" && !d.pinned {
		return
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-", d.size))
	if validator != "" {
		req.Header.Set("If-Range", validator)
	}
}

// receive writes the body of an answer to the partial.
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
			return d.restart("its file changed: asked from byte %d, got %q", d.size, resp.Header.Get("Content-Range"))
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

// restart has the next attempt begin at the first byte.
func (d *download) restart(format string, args ...any) error {
	d.size, d.note.Total = 0, 0
	return errors.Join(fmt.Errorf(format, args...), d.cut())
}

// bound says how much is taken of the answer, and refuses one that says to have more.
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

// tooMuch gives up an answer that goes on beyond what is taken, and gives the room of the partial back.
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

// errSlow says that an answer stalled or trickled. What little it brought does not count as progress.
var errSlow = errors.New("too slow")

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
				watch.Reset(d.web.stall) // a slow disk is not the server's fault
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

// sync makes what is there of the partial last.
func (d *download) sync() error {
	if err := d.f.Sync(); err != nil {
		return err
	}
	d.note.Synced = d.size
	return d.save()
}

func (d *download) save() error {
	text, err := json.Marshal(d.note)
	if err != nil {
		return err
	}
	return renameio.WriteFile(d.file+".json", text, 0o644)
}

// again decides whether to try again after an attempt; it is called once with each error.
func (d *download) again(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if ctx.Err() != nil || err == nil { // without an error receive comes next, or is done
		return false, ctx.Err()
	}
	if d.size > d.best {
		d.best, d.bestAt = d.size, time.Now()
		if !errors.Is(err, errSlow) {
			d.failures = 0
		}
	}
	d.failures++
	d.wait = retryablehttp.DefaultBackoff(d.web.waitMin, d.web.waitMax, d.failures-1, resp)
	switch {
	case isFinal(err), d.failures > d.web.retries:
		return false, nil
	case isConnect(err):
		return d.failures < d.web.retries && time.Since(d.bestAt) < d.web.connect, nil
	case d.wait > d.web.patient:
		return false, fmt.Errorf("%w, to be asked again in %s: too long to wait", err, d.wait.Round(time.Second))
	}
	return true, nil
}
