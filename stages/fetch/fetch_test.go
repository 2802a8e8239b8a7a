package fetch

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline"
	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/progress"
	"tlpipe/stages/formats"
	"tlpipe/stages/machine"
)

var fetchData = bytes.Repeat([]byte("0123456789abcdef"), 4<<10)

func sum256(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }

// fetchJob is one execution of fetch, whose directories can be used again as after a kill.
type fetchJob struct {
	out, scratch string
	events       fetchEvents
}

type fetchEvents struct {
	mu   sync.Mutex
	list []progress.Event
}

func (e *fetchEvents) Handle(event progress.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, event)
}

// texts are those of notes and warnings.
func (e *fetchEvents) texts() (texts []string) {
	for _, event := range e.list {
		if event.Text != "" {
			texts = append(texts, event.Type+": "+event.Text)
		}
	}
	return texts
}

func (e *fetchEvents) count(kind string) (n int) {
	for _, event := range e.list {
		if event.Type == kind {
			n++
		}
	}
	return n
}

func newFetchJob(t *testing.T) *fetchJob {
	t.Helper()
	return &fetchJob{out: t.TempDir(), scratch: t.TempDir()}
}

func (j *fetchJob) run(ctx context.Context, s *Settings) error {
	j.events.list = nil
	return Stage(s, machine.Resources{}).Run(ctx, &pipeline.Job{Out: j.out, Scratch: j.scratch, Progress: progress.NewReporter("fetch", &j.events)})
}

// files are the files of the artifact.
func (j *fetchJob) files(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS(j.out), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(j.out, name))
		files[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// want fails unless the artifact holds these files and their index.
func (j *fetchJob) want(t *testing.T, files map[string]string) {
	t.Helper()
	got := j.files(t)
	var index formats.Archive
	if err := json.Unmarshal([]byte(got[formats.ArchiveIndex]), &index); err != nil {
		t.Fatalf("%s: %v", formats.ArchiveIndex, err)
	}
	delete(got, formats.ArchiveIndex)
	listed, stored := map[string]formats.ArchiveFile{}, map[string]formats.ArchiveFile{}
	for _, f := range index.Files {
		listed[f.Name] = f
	}
	wanted := map[string]string{}
	for name, text := range files {
		wanted["files/"+name] = text
		stored[name] = formats.ArchiveFile{Name: name, Bytes: int64(len(text)), SHA256: sum256([]byte(text))}
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("files (-want +got):\n%.2000s", diff)
	}
	if diff := cmp.Diff(stored, listed); diff != "" {
		t.Errorf("%s (-want +got):\n%s", formats.ArchiveIndex, diff)
	}
}

// dataServer gives fetchData, a web page, and nothing else.
func dataServer(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/data":
			w.Header().Set("ETag", `"v1"`)
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(fetchData))
		case "/gzip":
			w.Write(gzipAt(t, fetchData, gzip.BestSpeed, "a"))
		case "/html":
			fmt.Fprintf(w, "\n<!DOCTYPE html><html><head><title>\n Sign in &amp; wait\x1b[1m</title></head>%2000s</html>", "")
		case "/moved":
			w.Header().Set("Location", "http://host:port/x?token=hidden")
			w.WriteHeader(http.StatusFound)
		case "/empty":
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// gzipAt packs data; other levels and names give other bytes.
func gzipAt(t *testing.T, data []byte, level int, name string) []byte {
	t.Helper()
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, level)
	if err != nil {
		t.Fatal(err)
	}
	w.Name = name
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func TestFetchTriesSourcesInOrder(t *testing.T) {
	t.Parallel()
	dead := httptest.NewServer(nil)
	dead.Close()
	s := dataServer(t)
	host := strings.TrimPrefix(s.URL, "http://")
	digest := sum256(fetchData)
	job := newFetchJob(t)
	begun := time.Now()
	err := job.run(t.Context(), &Settings{Sources: []Source{
		{URL: dead.URL + "/data", SHA256: digest},
		{URL: s.URL + "/gone", SHA256: digest},
		{URL: s.URL + "/html", SHA256: digest},
		{Path: filepath.Join(t.TempDir(), "none"), SHA256: digest},
		{URL: "http://user:hidden@" + host + "/data?token=hidden", SHA256: digest},
		{URL: s.URL + "/never"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took > 8*time.Second {
		t.Errorf("a dead mirror held it up for %s", took)
	}
	job.want(t, map[string]string{"archive": string(fetchData)})
	texts := job.events.texts()
	if len(texts) != 5 {
		t.Fatalf("got notes %q, want one a source", texts)
	}
	for i, want := range []string{
		"cannot be reached", "the server answers 404 Not Found; trying the next source", "HTML page", "no such file",
		"note: archive: from " + s.URL + "/data",
	} {
		if !strings.Contains(texts[i], want) || strings.Contains(texts[i], "hidden") {
			t.Errorf("note %d is %q, want %q in it", i, texts[i], want)
		}
	}
	if n := job.events.count(progress.Completed); n != 1 {
		t.Errorf("%d files completed, want 1", n)
	}
}

// TestFetchNamesAnUnreachableHostOnce has a host down that all files could come from.
func TestFetchNamesAnUnreachableHostOnce(t *testing.T) {
	t.Parallel()
	dead := httptest.NewServer(nil)
	dead.Close()
	s, job := dataServer(t), newFetchJob(t)
	var files []File
	for _, name := range []string{"a", "b", "c"} {
		files = append(files, File{Name: name, Sources: []Source{{URL: dead.URL + "/" + name, SHA256: sum256(fetchData)}, {URL: s.URL + "/data", SHA256: sum256(fetchData)}}})
	}
	if err := job.run(t.Context(), &Settings{Files: files}); err != nil {
		t.Fatal(err)
	}
	if texts := job.events.texts(); len(texts) != 4 || !strings.Contains(texts[0], "cannot be reached") || strings.Contains(strings.Join(texts[1:], ""), "as before") {
		t.Errorf("got %q, want one note of the host and one of each file", texts)
	}
}

func TestFetchFails(t *testing.T) {
	t.Parallel()
	s := dataServer(t)
	host := strings.TrimPrefix(s.URL, "http://")
	dir := t.TempDir()
	place := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	packed := gzipAt(t, fetchData, gzip.BestSpeed, "")
	zeros := strings.Repeat("0", 64)
	digest := sum256(fetchData)
	tests := []struct {
		name  string
		fetch Settings
		want  string
	}{
		{"sha256", Settings{Sources: []Source{{URL: s.URL + "/data", SHA256: zeros}}}, "/data: expected sha256 " + zeros + ", received " + digest + " (64 KiB)"},
		{"md5", Settings{Sources: []Source{{URL: s.URL + "/data", MD5: zeros[:32]}}}, fmt.Sprintf("/data: expected md5 %s, received %x (64 KiB)", zeros[:32], md5.Sum(fetchData))},
		{"both digests", Settings{Sources: []Source{{URL: s.URL + "/data", SHA256: digest, MD5: zeros[:32]}}}, "expected md5"},
		{"content", Settings{ContentSHA256: zeros, Sources: []Source{{URL: s.URL + "/gzip"}}}, "/gzip: expected content_sha256 " + zeros + ", received " + digest},
		{"web page", Settings{Sources: []Source{{URL: s.URL + "/html", SHA256: digest}}}, `/html: got an HTML page (2.0 KiB, "Sign in & wait\x1b[1m") instead of the data, expected sha256 ` + digest},
		{"web page without a digest", Settings{Sources: []Source{{URL: s.URL + "/html"}}}, `got an HTML page (2.0 KiB, "Sign in & wait\x1b[1m") instead of the data`},
		{"a pointer of Git LFS", Settings{Sources: []Source{{Path: place("lfs", []byte("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")), SHA256: digest}}}, "lfs: got a pointer of Git LFS, not the data; run `git lfs pull` in the clone that it is from, expected sha256 " + digest},
		{"a message without a digest", Settings{Sources: []Source{{Path: place("xml", []byte("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>"))}}}, "xml: got an error message of a server (XML)"},
		{"empty", Settings{Sources: []Source{{URL: s.URL + "/empty"}}}, "/empty: got an empty file"},
		{"secrets", Settings{Sources: []Source{{URL: "http://user:hidden@" + host + "/gone?token=hidden"}}}, "\n  " + s.URL + "/gone: the server answers 404"},
		{"secrets of the server", Settings{Sources: []Source{{URL: s.URL + "/moved"}}}, `failed to parse Location header "http://host:port/x"`},
		{"local", Settings{Sources: []Source{{Path: place("x", fetchData), SHA256: zeros}}}, "x: expected sha256"},
		{"cut gzip", Settings{ContentSHA256: digest, Sources: []Source{{Path: place("cut.gz", packed[:len(packed)-9])}}}, "cut.gz: a damaged gzip, after 64 KiB unpacked: unexpected EOF"},
		{"every source is named", Settings{Files: []File{{Name: "b", Sources: []Source{{URL: s.URL + "/1"}, {URL: s.URL + "/2"}}}}}, "no source gave b:\n  " + s.URL + "/1: the server answers 404 Not Found\n  " + s.URL + "/2: the server answers 404 Not Found\nadd one"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			job := newFetchJob(t)
			err := job.run(t.Context(), &test.fetch)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got error %v\nwant %s", err, test.want)
			}
			if !strings.Contains(err.Error(), "tlpipe run -f CONFIG -f OVERLAY") {
				t.Errorf("the error names no next step: %v", err)
			}
			if text := err.Error() + strings.Join(job.events.texts(), "\n"); strings.Contains(text, "hidden") {
				t.Errorf("a secret is shown: %s", text)
			}
			if got := job.files(t); len(got) > 0 {
				t.Errorf("it left %d files in the artifact", len(got))
			}
		})
	}
}

func TestFetchWarnsOfMissingDigest(t *testing.T) {
	t.Parallel()
	s := dataServer(t)
	job := newFetchJob(t)
	if err := job.run(t.Context(), &Settings{Sources: []Source{{URL: s.URL + "/data"}}}); err != nil {
		t.Fatal(err)
	}
	want := "warning: " + s.URL + "/data has no digest, so a changed file would go unnoticed: add sha256: " + sum256(fetchData) + " to that source"
	if texts := job.events.texts(); len(texts) != 2 || texts[1] != want {
		t.Errorf("got %q, want the warning %q", texts, want)
	}
}

// Two gzips of the same bytes, or the bytes themselves, give the same action and the same artifact.
func TestFetchContent(t *testing.T) {
	t.Parallel()
	s := dataServer(t)
	var first map[string]string
	var key string
	for i, src := range []Source{
		{URL: s.URL + "/gzip"},
		{URL: s.URL + "/data"},
		{Path: "best.gz"},
	} {
		if src.Path != "" {
			src.Path = filepath.Join(t.TempDir(), src.Path)
			if err := os.WriteFile(src.Path, gzipAt(t, fetchData, gzip.BestCompression, "other"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		fetch := &Settings{Files: []File{{Name: "images.gz", ContentSHA256: sum256(fetchData), Sources: []Source{src}}}}
		job := newFetchJob(t)
		if err := job.run(t.Context(), fetch); err != nil {
			t.Fatal(err)
		}
		job.want(t, map[string]string{"images.gz": string(fetchData)})
		if i == 0 {
			first, key = job.files(t), keyText(t, fetch)
			continue
		}
		if diff := cmp.Diff(first, job.files(t)); diff != "" {
			t.Errorf("source %d gives another artifact:\n%.2000s", i, diff)
		}
		if got := keyText(t, fetch); got != key {
			t.Errorf("source %d gives the key %q, not %q", i, got, key)
		}
	}
}

func TestFetchFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"b", "a"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fetch := &Settings{Sources: []Source{{Path: dir}}}
	one, two := newFetchJob(t), newFetchJob(t)
	if err := errors.Join(one.run(t.Context(), fetch), two.run(t.Context(), fetch)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(one.files(t), two.files(t)); diff != "" {
		t.Errorf("the same folder gives other bytes:\n%.2000s", diff)
	}
	if tar := one.files(t)["files/archive"]; len(tar) < 2048 {
		t.Errorf("the tar has %d bytes", len(tar))
	}
}

// A stopped fetch keeps the files that are finished and goes on at the byte of the one that is not.
func TestFetchContinues(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var mu sync.Mutex
	asked := map[string][]string{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.URL.Path] = append(asked[r.URL.Path], r.Header.Get("Range"))
		first := len(asked[r.URL.Path]) == 1
		mu.Unlock()
		w.Header().Set("ETag", `"v1"`)
		if r.URL.Path == "/b" && first {
			w.Header().Set("Content-Length", fmt.Sprint(len(fetchData)))
			w.Write(fetchData[:1000])
			w.(http.Flusher).Flush()
			time.AfterFunc(500*time.Millisecond, stop)
			<-r.Context().Done()
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(fetchData))
	}))
	t.Cleanup(s.Close)
	digest := sum256(fetchData)
	fetch := &Settings{Files: []File{
		{Name: "b", Sources: []Source{{URL: s.URL + "/b", SHA256: digest}}},
		{Name: "a", Sources: []Source{{URL: s.URL + "/a", SHA256: digest}}},
	}}
	job := newFetchJob(t)
	if err := job.run(ctx, fetch); !errors.Is(err, context.Canceled) {
		t.Fatalf("got error %v, want %v", err, context.Canceled)
	}
	if _, there := job.files(t)[formats.ArchiveIndex]; there {
		t.Error("a stopped fetch wrote its index")
	}
	if err := job.run(t.Context(), fetch); err != nil {
		t.Fatal(err)
	}
	job.want(t, map[string]string{"a": string(fetchData), "b": string(fetchData)})
	if n := job.events.count(progress.Completed); n != 1 {
		t.Errorf("%d files completed by the second run, want 1", n)
	}
	want := map[string][]string{"/a": {""}, "/b": {"", "bytes=1000-"}}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("requested ranges (-want +got):\n%s", diff)
	}

	// A finished file that is damaged is fetched again.
	if err := os.WriteFile(filepath.Join(job.out, "files", "a"), bytes.ToUpper(fetchData), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := job.run(t.Context(), fetch); err != nil {
		t.Fatal(err)
	}
	job.want(t, map[string]string{"a": string(fetchData), "b": string(fetchData)})
	if got := len(asked["/a"]); got != 2 {
		t.Errorf("the damaged file was asked for %d times, want 2", got)
	}
}

// A full disk ends the stage: no other source would help.
func TestFetchDiskFull(t *testing.T) {
	t.Parallel()
	const full = "/dev/full"
	if _, err := os.Stat(full); err != nil {
		t.Skip(err)
	}
	job := newFetchJob(t)
	path := filepath.Join(t.TempDir(), "data")
	if err := errors.Join(
		os.WriteFile(path, fetchData, 0o644),
		os.Mkdir(filepath.Join(job.out, "files"), 0o755),
		os.Symlink(full, filepath.Join(job.out, "files", ".archive.tmp")),
	); err != nil {
		t.Fatal(err)
	}
	err := job.run(t.Context(), &Settings{Sources: []Source{{Path: path}, {Path: path}}})
	if exit.Code(err) != exit.Resources || strings.Contains(err.Error(), "no source") {
		t.Errorf("got error %v (exit code %d), want exit code %d", err, exit.Code(err), exit.Resources)
	}
}

// A partial that does not go with the rest of the file is dropped, and the file is fetched from its beginning.
func TestFetchBeginsAnewAfterWrongPartial(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var ranges []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ranges = append(ranges, r.Header.Get("Range"))
		if len(ranges) == 1 { // another version, and no validator
			w.Header().Set("Content-Length", fmt.Sprint(len(fetchData)))
			w.Write(make([]byte, 1000))
			w.(http.Flusher).Flush()
			time.AfterFunc(500*time.Millisecond, stop)
			<-r.Context().Done()
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(fetchData))
	}))
	t.Cleanup(s.Close)
	fetch := &Settings{Sources: []Source{{URL: s.URL, SHA256: sum256(fetchData)}}}
	job := newFetchJob(t)
	if err := job.run(ctx, fetch); !errors.Is(err, context.Canceled) {
		t.Fatalf("got error %v, want %v", err, context.Canceled)
	}
	if err := job.run(t.Context(), fetch); err != nil {
		t.Fatal(err)
	}
	job.want(t, map[string]string{"archive": string(fetchData)})
	if diff := cmp.Diff([]string{"", "bytes=1000-", ""}, ranges); diff != "" {
		t.Errorf("requested ranges (-want +got):\n%s", diff)
	}
}

func keyText(t *testing.T, s *Settings) string {
	t.Helper()
	lines, err := Stage(s, machine.Resources{}).Key(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, line := range lines {
		texts = append(texts, line.Name+" = "+line.Value)
	}
	return strings.Join(texts, "\n")
}

func TestFetchKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "local")
	if err := os.WriteFile(path, fetchData, 0o644); err != nil {
		t.Fatal(err)
	}
	a, b, m := strings.Repeat("a", 64), strings.Repeat("b", 64), strings.Repeat("c", 32)
	for _, test := range []struct {
		name  string
		fetch Settings
		want  string
	}{
		{"one digest", Settings{Sources: []Source{{URL: "https://x/1", SHA256: a, MD5: m}, {Path: path, SHA256: a}}}, "file archive = sha256:" + a},
		{"two digests", Settings{Sources: []Source{{URL: "https://x/1", SHA256: b}, {Apt: "p", Member: "q", MD5: m}, {URL: "https://x/2", SHA256: a}}}, "file archive = sha256:" + b + ", md5:" + m + ", sha256:" + a},
		{"content", Settings{ContentSHA256: a, Sources: []Source{{URL: "https://x/1", SHA256: b}, {Pip: "p==1", Member: "q"}}}, "file archive = content_sha256:" + a},
		{"no digest", Settings{Sources: []Source{{URL: "https://user:hidden@x/1"}, {Apt: "p", Member: "q"}, {Pip: "p==1", Member: "q"}}}, "file archive = https://x/1, apt p q, pip p==1 q"},
		{"local", Settings{Sources: []Source{{Path: path}}}, "file archive = sha256:" + sum256(fetchData)},
		{"missing", Settings{Sources: []Source{{Path: path + "?"}, {URL: "http://x", MD5: m}}}, "file archive = a path that cannot be read, md5:" + m},
		{"order", Settings{Files: []File{{Name: "z", Sources: []Source{{SHA256: a, URL: "https://x"}}}, {Name: "y", Sources: []Source{{SHA256: b, URL: "https://x"}}}}}, "file y = sha256:" + b + "\nfile z = sha256:" + a},
	} {
		if got := keyText(t, &test.fetch); got != test.want {
			t.Errorf("%s: got key\n%s\nwant\n%s", test.name, got, test.want)
		}
	}
}

// The Debian package of Fashion-MNIST, through the machine's own client.
func TestFetchDebianPackage(t *testing.T) {
	if os.Getenv("TLPIPE_TEST_NETWORK") != "1" {
		t.Skip("set TLPIPE_TEST_NETWORK=1 to use the network")
	}
	fetch := &Settings{Files: []File{
		{
			Name:          "t10k-labels-idx1-ubyte",
			ContentSHA256: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
			Sources:       []Source{{Apt: "dataset-fashion-mnist", Member: "usr/share/datasets/fashion-mnist/t10k-labels-idx1-ubyte.gz"}},
		},
		{
			Name:          "train-labels-idx1-ubyte",
			ContentSHA256: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
			Sources:       []Source{{Apt: "dataset-fashion-mnist", Member: "usr/share/datasets/fashion-mnist/train-labels-idx1-ubyte.gz"}},
		},
	}}
	job := newFetchJob(t)
	if err := job.run(t.Context(), fetch); err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int64{"t10k-labels-idx1-ubyte": 10008, "train-labels-idx1-ubyte": 60008} {
		info, err := os.Stat(filepath.Join(job.out, "files", name))
		if err != nil || info.Size() != size {
			t.Errorf("%s: %v, want %d bytes", name, err, size)
		}
	}
}

// Reading stops when it is told to; what is no whole gzip is wrong content, not a failure of the disk.
func TestFetchReads(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := meterAll(ctx, bytes.NewReader(fetchData), true); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
	packed := gzipAt(t, fetchData, gzip.BestSpeed, "")
	if err := gunzip(io.Discard, bytes.NewReader(append(packed, packed...))); err != nil {
		t.Errorf("two gzips in one file: %v", err)
	}
	packed[len(packed)/2] ^= 0xff
	var wrong *wrongContent
	if err := gunzip(io.Discard, bytes.NewReader(packed)); !errors.As(err, &wrong) {
		t.Errorf("damaged gzip: got error %v", err)
	}
}
