package sources

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline/progress"
)

// data is longer than one buffer of any layer, so that a cut answer leaves a part.
var data = bytes.Repeat([]byte("0123456789abcdef"), 64<<10)

// server gives data and notes what was asked.
type server struct {
	*httptest.Server
	mu     sync.Mutex
	ranges []string // the Range header of each request
}

// serve starts a server; answer is told the number of the request, from 0.
func serve(t *testing.T, start func(*httptest.Server), answer func(n int, w http.ResponseWriter, r *http.Request)) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		n := len(s.ranges)
		s.ranges = append(s.ranges, r.Header.Get("Range"))
		s.mu.Unlock()
		answer(n, w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	start(s.Server)
	t.Cleanup(s.Close)
	return s
}

// asked are the ranges of the requests so far.
func (s *server) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ranges)
}

// whole answers as a file server does, ranges and validators included.
func whole(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", `"v1"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// cut answers with all of the headers but only the first n bytes of the body, then ends the connection.
func cut(w http.ResponseWriter, n int) {
	w.Header().Set("ETag", `"v1"`)
	w.Header().Set("Content-Length", fmt.Sprint(len(data)))
	w.Write(data[:n])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

// getter is one with short waits.
func getter(t *testing.T, scratch string, trusted ...*server) *Getter {
	t.Helper()
	g := New(scratch, progress.NewReporter("fetch", progress.Discard{}))
	g.web.waitMin, g.web.waitMax = time.Millisecond, 4*time.Millisecond
	g.web.stall = 5 * time.Second
	roots := x509.NewCertPool()
	for _, s := range trusted {
		roots.AddCert(s.Certificate())
	}
	g.web.client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
	t.Cleanup(g.web.client.CloseIdleConnections)
	return g
}

func read(t *testing.T, body *Body, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	got, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestURL(t *testing.T) {
	tests := []struct {
		name   string
		pinned bool
		answer func(n int, w http.ResponseWriter, r *http.Request)
		ranges []string
		err    string
	}{
		{
			name:   "at once",
			answer: func(_ int, w http.ResponseWriter, r *http.Request) { whole(w, r) },
			ranges: []string{""},
		},
		{
			name: "early end is continued",
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				if n == 0 {
					cut(w, 1000)
				}
				whole(w, r)
			},
			ranges: []string{"", "bytes=1000-"},
		},
		{
			name: "any number of early ends, while each brings new bytes",
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				if n == 6 {
					whole(w, r)
					return
				}
				w.Header().Set("ETag", `"v1"`)
				w.Header().Set("Content-Length", fmt.Sprint(len(data)-1000*n))
				if n > 0 {
					w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", 1000*n, len(data)-1, len(data)))
					w.WriteHeader(http.StatusPartialContent)
				}
				w.Write(data[1000*n : 1000*(n+1)])
			},
			ranges: []string{"", "bytes=1000-", "bytes=2000-", "bytes=3000-", "bytes=4000-", "bytes=5000-", "bytes=6000-"},
		},
		{
			name: "changed file begins anew",
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				if n == 0 {
					w.Header().Set("ETag", `"v0"`)
					w.Header().Set("Content-Length", "5000")
					w.Write(make([]byte, 1000))
					return
				}
				whole(w, r) // If-Range does not match
			},
			ranges: []string{"", "bytes=1000-"},
		},
		{
			name:   "ranges ignored",
			pinned: true,
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				if n == 0 {
					cut(w, 1000)
				}
				w.Write(data)
			},
			ranges: []string{"", "bytes=1000-"},
		},
		{
			name: "no validator and no digest begins anew",
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", fmt.Sprint(len(data)))
				if n == 0 {
					w.Write(data[:1000])
					return
				}
				w.Write(data)
			},
			ranges: []string{"", ""},
		},
		{
			name: "other range than asked for",
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				switch n {
				case 0:
					cut(w, 1000)
				case 1:
					w.Header().Set("Content-Range", fmt.Sprintf("bytes 500-%d/%d", len(data)-1, len(data)))
					w.WriteHeader(http.StatusPartialContent)
					w.Write(data[500:])
				default:
					whole(w, r)
				}
			},
			ranges: []string{"", "bytes=1000-", ""},
		},
		{
			name: "range beyond the end",
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				switch n {
				case 0:
					cut(w, 1000)
				case 1:
					w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
				default:
					whole(w, r)
				}
			},
			ranges: []string{"", "bytes=1000-", ""},
		},
		{
			name: "busy for a while",
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				if n < 2 {
					w.Header().Set("Retry-After", "0")
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				whole(w, r)
			},
			ranges: []string{"", "", ""},
		},
		{
			name: "busy for too long",
			answer: func(_ int, w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "3600")
				w.WriteHeader(http.StatusServiceUnavailable)
			},
			ranges: []string{""},
			err:    "the server answers 503 Service Unavailable, to be asked again in 1h0m0s: too long to wait",
		},
		{
			name:   "always failing",
			answer: func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
			ranges: []string{"", "", "", ""},
			err:    "the server answers 502 Bad Gateway (4 attempts)",
		},
		{
			name:   "always ending early at the same byte",
			pinned: true,
			answer: func(_ int, w http.ResponseWriter, _ *http.Request) { cut(w, 2048) },
			ranges: []string{"", "bytes=2048-", "bytes=2048-", "bytes=2048-"},
			err:    "the connection ended after 2.0 KiB of 1.0 MiB (4 attempts)",
		},
		{
			name:   "not found is final",
			answer: func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
			ranges: []string{""},
			err:    "the server answers 404 Not Found",
		},
		{
			name: "compressed on the way is not unpacked",
			answer: func(_ int, w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Accept-Encoding") != "identity" {
					w.WriteHeader(http.StatusNotAcceptable)
				}
				w.Header().Set("Content-Encoding", "gzip")
				w.Write(data)
			},
			ranges: []string{""},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, (*httptest.Server).StartTLS, test.answer)
			body, err := getter(t, t.TempDir(), s).URL(t.Context(), s.URL+"/data", "archive", test.pinned, 0)
			if test.err != "" {
				if err == nil || err.Error() != test.err {
					t.Errorf("got error %v, want %s", err, test.err)
				}
			} else if got := read(t, body, err); !bytes.Equal(got, data) {
				t.Errorf("got %d other bytes", len(got))
			}
			if diff := cmp.Diff(test.ranges, s.asked()); diff != "" {
				t.Errorf("requested ranges (-want +got):\n%s", diff)
			}
		})
	}
}

func TestURLWaitsAsTold(t *testing.T) {
	t.Parallel()
	s := serve(t, (*httptest.Server).StartTLS, func(n int, w http.ResponseWriter, r *http.Request) {
		if n == 0 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		whole(w, r)
	})
	begun := time.Now()
	body, err := getter(t, t.TempDir(), s).URL(t.Context(), s.URL, "archive", false, 0)
	read(t, body, err)
	if waited := time.Since(begun); waited < time.Second {
		t.Errorf("asked again after %s, not after 1s", waited)
	}
}

func TestURLStall(t *testing.T) {
	t.Parallel()
	s := serve(t, (*httptest.Server).StartTLS, func(n int, w http.ResponseWriter, r *http.Request) {
		if n == 0 {
			w.Header().Set("ETag", `"v1"`)
			w.Header().Set("Content-Length", fmt.Sprint(len(data)))
			w.Write(data[:1000])
			w.(http.Flusher).Flush()
			<-r.Context().Done() // the client hangs up
			return
		}
		whole(w, r)
	})
	g := getter(t, t.TempDir(), s)
	g.web.stall = 100 * time.Millisecond
	body, err := g.URL(t.Context(), s.URL, "archive", false, 0)
	if got := read(t, body, err); !bytes.Equal(got, data) {
		t.Errorf("got %d other bytes", len(got))
	}
	if diff := cmp.Diff([]string{"", "bytes=1000-"}, s.asked()); diff != "" {
		t.Errorf("requested ranges (-want +got):\n%s", diff)
	}
}

// A server that takes the request and never answers.
func TestURLSilence(t *testing.T) {
	t.Parallel()
	s := serve(t, (*httptest.Server).StartTLS, func(n int, w http.ResponseWriter, r *http.Request) {
		if n > 4 { // the second attempt of the second download
			whole(w, r)
			return
		}
		<-r.Context().Done() // the client hangs up
	})
	g := getter(t, t.TempDir(), s)
	g.web.client.Transport.(*http.Transport).ResponseHeaderTimeout = 100 * time.Millisecond
	if _, err := g.URL(t.Context(), s.URL, "archive", true, 0); err == nil || !strings.Contains(err.Error(), "timeout awaiting response headers") || len(s.asked()) != 4 {
		t.Errorf("got error %v after %d requests, expected 4", err, len(s.asked()))
	}
	body, err := g.URL(t.Context(), s.URL, "archive", true, 0)
	if got := read(t, body, err); !bytes.Equal(got, data) {
		t.Errorf("got %d other bytes", len(got))
	}
	if g := newWeb(); g.client.Transport.(*http.Transport).ResponseHeaderTimeout != g.stall {
		t.Error("by default, silence is waited for without an end")
	}
}

// A server that drips keeps nobody waiting for long: the next source is better.
func TestURLTrickle(t *testing.T) {
	t.Parallel()
	s := serve(t, (*httptest.Server).StartTLS, func(n int, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		w.Header().Set("Content-Length", fmt.Sprint(len(data)-n))
		if n > 0 {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", n, len(data)-1, len(data)))
			w.WriteHeader(http.StatusPartialContent)
		}
		w.Write(data[n : n+1])
		w.(http.Flusher).Flush()
		<-r.Context().Done() // the client hangs up
	})
	g := getter(t, t.TempDir(), s)
	g.web.stall = 50 * time.Millisecond
	_, err := g.URL(t.Context(), s.URL, "archive", true, 0)
	if want := "too slow: 1 bytes came in 50ms, after 4 B of 1.0 MiB (4 attempts)"; err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
	if diff := cmp.Diff([]string{"", "bytes=1-", "bytes=2-", "bytes=3-"}, s.asked()); diff != "" {
		t.Errorf("requested ranges (-want +got):\n%s", diff)
	}
}

// reset answers with the first n bytes and then has the connection reset, as a firewall does.
func reset(t *testing.T, w http.ResponseWriter, n int) {
	conn, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	fmt.Fprintf(buffered, "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: %d\r\n\r\n%s", len(data), data[:n])
	buffered.Flush()
	time.Sleep(50 * time.Millisecond) // a reset overtakes what was sent
	if err := errors.Join(conn.(*net.TCPConn).SetLinger(0), conn.Close()); err != nil {
		t.Error(err)
	}
}

// What the server says of the length, and resets, over a connection that a test can break.
func TestURLLies(t *testing.T) {
	plain := func(w http.ResponseWriter, length int) {
		conn, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		fmt.Fprintf(buffered, "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: %d\r\n\r\n%s", length, data)
		buffered.Flush()
		conn.Close()
	}
	for _, test := range []struct {
		name   string
		answer func(n int, w http.ResponseWriter, r *http.Request)
		size   int // received
		ranges []string
		err    string
	}{
		{
			name: "reset in the middle",
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				if n == 0 {
					reset(t, w, 1000)
					return
				}
				whole(w, r)
			},
			size: len(data), ranges: []string{"", "bytes=1000-"},
		},
		{
			name:   "too short a length", // HTTP ends there; the digest then tells
			answer: func(_ int, w http.ResponseWriter, r *http.Request) { plain(w, 5000) },
			size:   5000, ranges: []string{""},
		},
		{
			name:   "too long a length",
			answer: func(_ int, w http.ResponseWriter, r *http.Request) { plain(w, len(data)+1) },
			ranges: []string{"", "bytes=1048576-", "bytes=1048576-", "bytes=1048576-"},
			err:    "the connection ended after 1.0 MiB of 1.0 MiB (4 attempts)",
		},
		{
			name: "another total",
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				switch n {
				case 0:
					cut(w, 1000)
				case 1:
					w.Header().Set("Content-Range", fmt.Sprintf("bytes 1000-%d/%d", len(data), len(data)+1))
					w.WriteHeader(http.StatusPartialContent)
					w.Write(data[1000:])
				default:
					whole(w, r)
				}
			},
			size: len(data), ranges: []string{"", "bytes=1000-", ""},
		},
		{
			name: "a negative length",
			answer: func(_ int, w http.ResponseWriter, r *http.Request) {
				plain(w, -1)
			},
			ranges: []string{"", "", "", ""}, err: "bad Content-Length",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, (*httptest.Server).Start, test.answer)
			body, err := getter(t, t.TempDir()).URL(t.Context(), s.URL, "archive", true, 0)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("got error %v, want %s", err, test.err)
				}
			} else if got := read(t, body, err); !bytes.Equal(got, data[:test.size]) {
				t.Errorf("got %d bytes, want %d", len(got), test.size)
			}
			if diff := cmp.Diff(test.ranges, s.asked()); diff != "" {
				t.Errorf("requested ranges (-want +got):\n%s", diff)
			}
		})
	}
}

// The environment's proxy is used, with its password, which no error shows. Go reads these variables once in a process,
// hence a process of its own.
func TestURLProxy(t *testing.T) {
	if os.Getenv("SOURCES_TEST_PROXY") == "1" {
		body, err := getter(t, t.TempDir()).URL(t.Context(), "http://data.invalid/file", "archive", true, 0)
		if err != nil {
			fmt.Println("error:", err)
			return
		}
		fmt.Println("received", len(read(t, body, err)))
		return
	}
	t.Parallel()
	var asked, password string
	proxy := serve(t, (*httptest.Server).Start, func(_ int, w http.ResponseWriter, r *http.Request) {
		asked, password = r.URL.String(), r.Header.Get("Proxy-Authorization")
		whole(w, r)
	})
	run := func(address string) string {
		cmd := exec.Command(os.Args[0], "-test.run=^TestURLProxy$")
		cmd.Env = append(os.Environ(), "SOURCES_TEST_PROXY=1", "NO_PROXY=", "no_proxy=", "http_proxy="+address, "HTTP_PROXY="+address)
		output, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
		return string(output)
	}
	address := strings.Replace(proxy.URL, "//", "//user:hidden@", 1)
	if got := run(address); !strings.Contains(got, fmt.Sprint("received ", len(data))) {
		t.Error(got)
	}
	if want := "Basic " + base64.StdEncoding.EncodeToString([]byte("user:hidden")); asked != "http://data.invalid/file" || password != want {
		t.Errorf("the proxy was asked for %q with %q", asked, password)
	}
	proxy.Close()
	if got := run(address); !strings.Contains(got, "error: cannot be reached: ") || strings.Contains(got, "hidden") {
		t.Error(got)
	}
}

// A download that was stopped goes on at its byte in another process; one that is whole is not asked for again.
func TestURLContinuesAfterStop(t *testing.T) {
	t.Parallel()
	for _, pinned := range []bool{true, false} {
		t.Run(fmt.Sprintf("pinned %v", pinned), func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			s := serve(t, (*httptest.Server).StartTLS, func(n int, w http.ResponseWriter, r *http.Request) {
				if n == 0 {
					w.Header().Set("ETag", `"v1"`)
					w.Header().Set("Content-Length", fmt.Sprint(len(data)))
					w.Write(data[:1000])
					w.(http.Flusher).Flush()
					time.AfterFunc(500*time.Millisecond, stop)
					<-r.Context().Done()
					return
				}
				whole(w, r)
			})
			scratch := t.TempDir()
			if _, err := getter(t, scratch, s).URL(ctx, s.URL, "archive", pinned, 0); !errors.Is(err, context.Canceled) {
				t.Fatalf("stopped download: got error %v, want %v", err, context.Canceled)
			}
			for range 2 {
				body, err := getter(t, scratch, s).URL(t.Context(), s.URL, "archive", pinned, 0)
				if got := read(t, body, err); !bytes.Equal(got, data) {
					t.Errorf("got %d other bytes", len(got))
				}
				if !body.Continued {
					t.Error("the download does not count as continued")
				}
			}
			if diff := cmp.Diff([]string{"", "bytes=1000-"}, s.asked()); diff != "" {
				t.Errorf("requested ranges (-want +got):\n%s", diff)
			}
		})
	}
}

// Without a digest nothing would notice bytes that were never written to the disk.
func TestURLDropsUnsyncedBytes(t *testing.T) {
	t.Parallel()
	s := serve(t, (*httptest.Server).StartTLS, func(_ int, w http.ResponseWriter, r *http.Request) { whole(w, r) })
	g := getter(t, t.TempDir(), s)
	partial := g.partial("archive", s.URL)
	write(t, partial, string(make([]byte, 5000)))
	write(t, partial+".json", fmt.Sprintf(`{"etag": "\"v1\"", "total": %d, "synced": 0}`, len(data)))
	body, err := g.URL(t.Context(), s.URL, "archive", false, 0)
	if got := read(t, body, err); !bytes.Equal(got, data) {
		t.Errorf("got %d other bytes", len(got))
	}
}

func TestURLRedirects(t *testing.T) {
	t.Parallel()
	plainServer := serve(t, (*httptest.Server).Start, func(_ int, w http.ResponseWriter, r *http.Request) { whole(w, r) })
	loops := 0
	s := serve(t, (*httptest.Server).StartTLS, func(_ int, w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/loop":
			loops++
			http.Redirect(w, r, "/loop?token=hidden", http.StatusFound)
		case "/down":
			http.Redirect(w, r, plainServer.URL+"/file?token=hidden", http.StatusFound)
		case "/moved":
			http.Redirect(w, r, "/data", http.StatusMovedPermanently)
		default:
			whole(w, r)
		}
	})
	body, err := getter(t, t.TempDir(), s).URL(t.Context(), s.URL+"/moved", "archive", false, 0)
	if got := read(t, body, err); !bytes.Equal(got, data) {
		t.Errorf("moved: got %d other bytes", len(got))
	}
	for path, want := range map[string]string{
		"/loop": "more than 10 redirects, the last to " + s.URL + "/loop",
		"/down": "redirects from https to " + plainServer.URL + "/file, which is not encrypted: refused",
	} {
		if _, err := getter(t, t.TempDir(), s).URL(t.Context(), s.URL+path, "archive", true, 0); err == nil || err.Error() != want {
			t.Errorf("%s: got error %v, want %s", path, err, want)
		}
	}
	if loops != maxRedirects+1 {
		t.Errorf("the loop was asked %d times, want %d", loops, maxRedirects+1)
	}
	if len(plainServer.asked()) > 0 {
		t.Error("the refused redirect was followed")
	}
}

func TestURLUntrusted(t *testing.T) {
	t.Parallel()
	s := serve(t, (*httptest.Server).StartTLS, func(_ int, w http.ResponseWriter, r *http.Request) { whole(w, r) })
	_, err := getter(t, t.TempDir()).URL(t.Context(), s.URL+"?key=hidden", "archive", true, 0)
	if err == nil || !strings.Contains(err.Error(), "SSL_CERT_FILE") || strings.Contains(err.Error(), "hidden") {
		t.Errorf("got error %v, want one that names SSL_CERT_FILE", err)
	}
	if len(s.asked()) > 0 {
		t.Error("an untrusted server was asked")
	}
}

// A host that cannot be reached is tried for one file, not for each.
func TestURLUnreachable(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := listener.Addr().String()
	listener.Close()
	g := getter(t, t.TempDir())
	dials := 0
	transport := g.web.client.Transport.(*http.Transport)
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		dials++
		return dial(ctx, network, addr)
	}
	for _, want := range []string{
		"cannot be reached: dial tcp " + host + ": connect: connection refused (behind a proxy, set HTTPS_PROXY and HTTP_PROXY)",
		"cannot be reached, as before",
	} {
		_, err := g.URL(t.Context(), "https://user:hidden@"+host+"/x?token=hidden", "archive", true, 0)
		if err == nil || err.Error() != want {
			t.Errorf("got error %v, want %s", err, want)
		}
	}
	if dials != 3 {
		t.Errorf("dialled %d times, want 3", dials)
	}
}

// A host without an address is not tried again.
func TestURLUnknownHost(t *testing.T) {
	t.Parallel()
	g := getter(t, t.TempDir())
	lookups := 0
	g.web.client.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) {
		lookups++
		return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "none.invalid", IsNotFound: true}}
	}
	_, err := g.URL(t.Context(), "https://none.invalid/x?token=hidden", "archive", true, 0)
	if want := "cannot be reached: none.invalid: no such host (behind a proxy, set HTTPS_PROXY and HTTP_PROXY)"; err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
	if lookups != 1 {
		t.Errorf("looked up %d times, want once", lookups)
	}
}

func TestScrub(t *testing.T) {
	for text, want := range map[string]string{
		`Get "https://user:pa@ss@host/a/b?token=t#x": EOF`:  `Get "https://host/a/b": EOF`,
		"proxy http://u:p@proxy:3128 refused":               "proxy http://proxy:3128 refused",
		"bad Location \"/x?sig=abc\"":                       `bad Location "/x"`,
		"nothing to hide: is it?":                           "nothing to hide: is it?",
		"pip: https://token@host/simple/, https://b/?k too": "pip: https://host/simple/, https://b/ too",
	} {
		if got := Scrub(text); got != want {
			t.Errorf("Scrub(%q):\n got %q\nwant %q", text, got, want)
		}
	}
}

func TestURLKey(t *testing.T) {
	a, b := URLKey("https://user:hidden@host/get?id=1"), URLKey("https://host/get?id=2")
	if a == b || strings.Contains(a, "hidden") || strings.Contains(a, "id=1") || !strings.HasPrefix(a, "https://host/get query ") {
		t.Errorf("got keys %q and %q", a, b)
	}
	if got, want := URLKey("https://user:hidden@host/x#y"), "https://host/x"; got != want {
		t.Errorf("got key %q, want %q", got, want)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
