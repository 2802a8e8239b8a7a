package sources

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"github.com/hashicorp/go-retryablehttp"

	"tlpipe/pipeline/progress"
)

const (
	syncEvery   = 32 << 20 // bytes between two syncs of a partial
	maxAttempts = 1000     // for one file, even while each attempt brings new bytes
)

// download fetches one address into its partial.
type download struct {
	web      *web
	url      string
	file     string
	pinned   bool
	most     int64 // size limit in bytes; 0: the free space of the disk
	room     Room
	progress *progress.Reporter

	f         *os.File
	size      int64 // of the partial, in bytes
	note      note
	continued bool          // the partial holds bytes of more than one response
	best      int64         // the largest size so far
	bestAt    time.Time     // when it was reached
	failures  int           // attempts that failed since bestAt
	wait      time.Duration // before the next attempt
	limit     int64         // size that the response may bring the partial to, in bytes
}

// note describes a partial. It is stored beside it.
type note struct {
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
	Total        int64  `json:"total"`  // size of the whole file in bytes; 0: not known
	Synced       int64  `json:"synced"` // length of the part that was fsynced, which survives a power cut
}

func (n note) validator() string {
	if n.ETag != "" && !strings.HasPrefix(n.ETag, "W/") {
		return n.ETag
	}
	return n.LastModified
}

// run downloads until the partial is complete.
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

// open opens the partial and decides how much of it to keep.
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
	if !d.pinned { // no digest would reveal bytes that a power cut lost
		d.size = min(d.size, d.note.Synced)
	}
	d.best, d.bestAt = d.size, time.Now()
	return d.cut()
}

// cut truncates the partial to d.size.
func (d *download) cut() error {
	if err := d.f.Truncate(d.size); err != nil {
		return err
	}
	_, err := d.f.Seek(d.size, io.SeekStart)
	return err
}

// ask sets the headers that request the missing part of the file.
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

// restart makes the next attempt begin at the first byte.
func (d *download) restart(format string, args ...any) error {
	d.size, d.note.Total = 0, 0
	return errors.Join(fmt.Errorf(format, args...), d.cut())
}

// sync fsyncs the partial and records how much of it is safe.
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

// again decides whether to retry after an attempt; it is called once for each error.
func (d *download) again(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if ctx.Err() != nil || err == nil { // no error: the response handler runs next, or the download is done
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
