package fetch

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"html"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"

	"tlpipe/pipeline/store"
	"tlpipe/stages/formats"
	"tlpipe/stages/sources"
	"tlpipe/stages/standin"
)

const (
	maxUnpacked = 64 << 30 // limit for the decompressed size of a gzip, in bytes; more is refused as a decompression bomb
	copyBytes   = 256 << 10
	headBytes   = 64 << 10 // first bytes kept of a file, to recognize what it seems to be
)

// wrongContent is the error for bytes that are not the expected ones.
type wrongContent struct{ reason string }

func (w *wrongContent) Error() string { return w.reason }

// meter counts and hashes what is written to it.
type meter struct {
	bytes  int64
	sha256 hash.Hash
	md5    hash.Hash // nil if not needed
	head   []byte
}

func newMeter(withMD5 bool) *meter {
	m := &meter{sha256: sha256.New()}
	if withMD5 {
		m.md5 = md5.New()
	}
	return m
}

func (m *meter) Write(p []byte) (int, error) {
	m.bytes += int64(len(p))
	m.sha256.Write(p)
	if m.md5 != nil {
		m.md5.Write(p)
	}
	m.head = append(m.head, p[:min(len(p), headBytes-len(m.head))]...)
	return len(p), nil
}

// digest returns the digest in hex; "" for nil.
func digest(h hash.Hash) string {
	if h == nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}

// meterAll reads r to its end.
func meterAll(ctx context.Context, r io.Reader, withMD5 bool) (*meter, error) {
	m := newMeter(withMD5)
	_, err := io.CopyBuffer(m, &cancelable{ctx, r}, make([]byte, copyBytes))
	return m, err
}

// take stores a body and verifies it meanwhile. The file is moved to its final name only once it is verified and fsynced.
func (f *fetcher) take(ctx context.Context, file File, src Source, body *sources.Body) (formats.ArchiveFile, error) {
	temp := filepath.Join(f.job.Out, formats.ArchiveFolder, "."+file.Name+".tmp")
	var raw, content *meter
	err := f.fits(src, body)
	if err != nil {
		return formats.ArchiveFile{}, err
	}
	if body.Partial != "" && file.ContentSHA256 == "" {
		temp = body.Partial // moved, not copied
		raw, err = meterAll(ctx, body, src.MD5 != "")
		content = raw
	} else {
		f.job.Progress.Start("bytes", 0, body.Size)
		raw = newMeter(src.MD5 != "")
		content, err = f.copy(ctx, temp, body, raw, file.ContentSHA256 != "")
	}
	if err == nil && body.SHA256 != "" && body.SHA256 != digest(raw.sha256) {
		err = &sources.ChangedError{Path: src.Path}
	}
	if err == nil {
		err = verify(raw, content, file, src)
	}
	if err != nil {
		if temp != body.Partial {
			os.Remove(temp)
		}
		return formats.ArchiveFile{}, err
	}
	done := formats.ArchiveFile{Name: file.Name, Bytes: content.bytes, SHA256: digest(content.sha256)}
	if err := formats.WriteJSON(f.receipt(file.Name), done); err != nil {
		return formats.ArchiveFile{}, err
	}
	if err := os.Rename(temp, f.stored(file.Name)); err != nil {
		return formats.ArchiveFile{}, err
	}
	return done, store.SyncDir(filepath.Dir(f.stored(file.Name)))
}

// fits refuses a body that exceeds max_bytes, or that the disk has no room for.
func (f *fetcher) fits(src Source, body *sources.Body) error {
	if body.Size > src.MaxBytes && src.MaxBytes > 0 {
		return fmt.Errorf("it has %s, and max_bytes of this source allows %s", humanize.IBytes(uint64(body.Size)), humanize.IBytes(uint64(src.MaxBytes)))
	}
	if body.Partial != "" {
		return nil // the bytes are on the disk already
	}
	return f.get.Room.For(f.job.Out, body.Size)
}

// copy writes a body to path; with unpack, a gzip is decompressed. raw meters the bytes read, content those written.
func (f *fetcher) copy(ctx context.Context, path string, body io.Reader, raw *meter, unpack bool) (content *meter, err error) {
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	tee := io.TeeReader(&cancelable{ctx, body}, io.MultiWriter(raw, reported{f.job.Progress.Add}))
	packed := bufio.NewReaderSize(tee, copyBytes)
	if magic, _ := packed.Peek(2); unpack && bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		content = newMeter(false)
		err = gunzip(io.MultiWriter(f.get.Room.Writer(f.job.Out, out), content), packed)
	} else {
		content = raw
		_, err = packed.WriteTo(out)
	}
	if err == nil {
		err = out.Sync()
	}
	return content, err
}

// gunzip decompresses a gzip to its end.
func gunzip(to io.Writer, packed io.Reader) error {
	gz, err := gzip.NewReader(packed)
	var n int64
	if err == nil {
		n, err = io.CopyN(to, gz, maxUnpacked+1)
	}
	var corrupt flate.CorruptInputError
	switch {
	case err == nil:
		return &wrongContent{"unpacks to more than " + humanize.IBytes(maxUnpacked) + ": refused"}
	case err == io.EOF && n > 0:
		return nil
	case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.As(err, &corrupt):
		return &wrongContent{fmt.Sprintf("a damaged gzip, after %s unpacked: %v", humanize.IBytes(uint64(n)), err)}
	}
	return err
}

// verify compares the received bytes with every digest of the config. Without a digest, a web page is refused.
func verify(raw, content *meter, file File, src Source) error {
	for _, check := range []struct{ name, want, got string }{
		{"sha256", src.SHA256, digest(raw.sha256)},
		{"md5", src.MD5, digest(raw.md5)},
		{"content_sha256", file.ContentSHA256, digest(content.sha256)},
	} {
		if check.want == "" || check.want == check.got {
			continue
		}
		if other := raw.otherThanData(); other != "" {
			return &wrongContent{fmt.Sprintf("got %s, expected %s %s", other, check.name, check.want)}
		}
		return &wrongContent{fmt.Sprintf("expected %s %s, received %s (%s)", check.name, check.want, check.got, humanize.IBytes(uint64(raw.bytes)))}
	}
	if src.SHA256 != "" || src.MD5 != "" || file.ContentSHA256 != "" {
		return nil
	}
	if other := raw.otherThanData(); other != "" {
		return &wrongContent{"got " + other}
	}
	if raw.bytes == 0 {
		return &wrongContent{"got an empty file"}
	}
	return nil
}

var pageTitle = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)

// otherThanData describes a file that is evidently not the data, such as a web page; "" if there is no sign of that.
func (m *meter) otherThanData() string {
	if page := webPage(m); page != "" {
		return page + " instead of the data"
	}
	return standin.Of(m.head, "the data")
}

// webPage describes a file that is a web page; "" for any other.
func webPage(m *meter) string {
	if !strings.HasPrefix(http.DetectContentType(m.head), "text/html") {
		return ""
	}
	size := humanize.IBytes(uint64(m.bytes))
	match := pageTitle.FindSubmatch(m.head)
	if match == nil {
		return fmt.Sprintf("an HTML page (%s)", size)
	}
	const longest = 80
	title := []rune(strings.Join(strings.Fields(html.UnescapeString(string(match[1]))), " "))
	return fmt.Sprintf("an HTML page (%s, %q)", size, string(title[:min(len(title), longest)]))
}

// cancelable is a reader that fails once ctx is done.
type cancelable struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancelable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// reported passes on the number of bytes written to it.
type reported struct{ add func(int64) }

func (r reported) Write(p []byte) (int, error) {
	r.add(int64(len(p)))
	return len(p), nil
}
