package sources

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

const maxRedirects = 10

// web is the HTTP client with its time limits.
type web struct {
	client *http.Client

	stall   time.Duration // a response that brings fewer than trickle bytes in this time is aborted
	trickle int
	connect time.Duration // failures to connect are no longer retried after this time
	waitMin time.Duration // wait before the second attempt; doubles with each further one
	waitMax time.Duration
	patient time.Duration // longest Retry-After that is waited for
	retries int           // consecutive failures without a new byte that are retried
}

func newWeb() web {
	const connectTimeout, stall = 10 * time.Second, 30 * time.Second
	return web{
		client: &http.Client{
			CheckRedirect: checkRedirect,
			Transport: &http.Transport{
				Proxy:                 http.ProxyFromEnvironment,
				DialContext:           (&net.Dialer{Timeout: connectTimeout}).DialContext,
				TLSHandshakeTimeout:   connectTimeout,
				ResponseHeaderTimeout: stall,
				ForceAttemptHTTP2:     true,
				DisableCompression:    true, // digests are those of the published bytes
				MaxIdleConnsPerHost:   1,
				IdleConnTimeout:       connectTimeout,
			},
		},
		stall: stall, trickle: 16 << 10, connect: connectTimeout,
		waitMin: 500 * time.Millisecond, waitMax: 8 * time.Second, patient: time.Minute, retries: 3,
	}
}

// final is an error that another attempt would meet again.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return final{fmt.Errorf("more than %d redirects, the last to %s", maxRedirects, PublicURL(req.URL.String()))}
	}
	if last := via[len(via)-1]; last.URL.Scheme == "https" && req.URL.Scheme != "https" {
		return final{fmt.Errorf("redirects from https to %s, which is not encrypted: refused", PublicURL(req.URL.String()))}
	}
	return nil
}

// ErrAsBefore means that a host could not be reached for an earlier file and was therefore not tried again.
var ErrAsBefore = errors.New("cannot be reached, as before")

// URL downloads an address. name is the file's name, with which that of its partial begins. pinned means that the caller
// verifies the bytes by a digest, so that a partial may be resumed even if the server sends no validator (ETag or
// Last-Modified). The download may have at most most bytes; where most is 0, the disk's free space is the limit.
//
// Connection errors, responses that end early, stall or trickle, and statuses 408, 429 and 5xx (except 501) are retried with
// backoff. Other statuses are not.
func (g *Getter) URL(ctx context.Context, address, name string, pinned bool, most int64) (*Body, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("not an address")
	}
	if g.unreachable[u.Host] {
		return nil, ErrAsBefore
	}
	d := &download{
		web: &g.web, url: address, file: g.partial(name, address), pinned: pinned, most: most, room: g.Room, progress: g.progress,
	}
	if err := d.run(ctx); err != nil {
		if isConnect(err) && ctx.Err() == nil {
			g.unreachable[u.Host] = true
		}
		return nil, explain(err)
	}
	f, err := os.Open(d.file)
	if err != nil {
		return nil, err
	}
	return &Body{ReadCloser: f, Size: d.size, Partial: d.file, Continued: d.continued}, nil
}

// partial returns the path of a download. Each source has its own, so that one mirror never overwrites the bytes of another.
// The path holds the digest of the address, since the address may contain secrets.
func (g *Getter) partial(name, address string) string {
	sum := sha256.Sum256([]byte(address))
	return filepath.Join(g.scratch, name+"-"+hex.EncodeToString(sum[:8])+".partial")
}

// isConnect reports whether no connection could be made.
func isConnect(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &dns) || errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect")
}

// isFinal reports whether another attempt is pointless.
func isFinal(err error) bool {
	var f final
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var dns *net.DNSError
	return errors.As(err, &f) || errors.As(err, &cert) || errors.As(err, &record) || errors.As(err, &dns) && dns.IsNotFound
}

// explain adds to an error of a request what to do about it, and removes the address, which may contain secrets.
func explain(err error) error {
	for u := (*url.Error)(nil); errors.As(err, &u); {
		err = u.Err
	}
	var authority x509.UnknownAuthorityError
	var dns *net.DNSError
	const proxy = "(behind a proxy, set HTTPS_PROXY and HTTP_PROXY)"
	switch {
	case errors.As(err, &authority):
		return fmt.Errorf("%w (where a proxy signs with its own certificate, set SSL_CERT_FILE to it)", err)
	case errors.As(err, &dns):
		return fmt.Errorf("cannot be reached: %s: %s %s", dns.Name, dns.Err, proxy)
	case isConnect(err):
		return fmt.Errorf("cannot be reached: %w %s", err, proxy)
	}
	return err
}
