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

// web is how addresses are asked.
type web struct {
	client *http.Client

	stall   time.Duration // an answer that gives less than trickle bytes in so long is given up
	trickle int
	connect time.Duration // connection failures are not tried again when so much time has passed
	waitMin time.Duration // before the second attempt; doubles with each one
	waitMax time.Duration
	patient time.Duration // the longest Retry-After that is waited for
	retries int           // failures in a row, without a new byte, that are tried again
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
				DisableCompression:    true, // the bytes are verified as they are published
				MaxIdleConnsPerHost:   1,
				IdleConnTimeout:       connectTimeout,
			},
		},
		stall: stall, trickle: 16 << 10, connect: connectTimeout,
		waitMin: 500 * time.Millisecond, waitMax: 8 * time.Second, patient: time.Minute, retries: 3,
	}
}

// final is an error that another attempt would only meet again.
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

// ErrAsBefore says that a host could not be reached for an earlier file, so that it was not asked again.
var ErrAsBefore = errors.New("cannot be reached, as before")

// URL downloads an address. name is the file's name and begins that of its partial. pinned says that the caller
// verifies the bytes by a digest, so that a partial may be continued although the server gives no validator for it.
// No more than most bytes are taken; where that is 0, what there is room for.
//
// Errors of connections, early ends, stalls, trickles, 429 and 5xx are tried again with backoff, other answers are not.
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

// partial is where a download lies: each source has its own, so that one mirror never undoes what another gave. The
// address may hold secrets, so its digest stands for it.
func (g *Getter) partial(name, address string) string {
	sum := sha256.Sum256([]byte(address))
	return filepath.Join(g.scratch, name+"-"+hex.EncodeToString(sum[:8])+".partial")
}

// isConnect says whether no connection came about.
func isConnect(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &dns) || errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect")
}

// isFinal says whether another attempt is pointless.
func isFinal(err error) bool {
	var f final
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var dns *net.DNSError
	return errors.As(err, &f) || errors.As(err, &cert) || errors.As(err, &record) || errors.As(err, &dns) && dns.IsNotFound
}

// explain says what to do about an error of a request. The address, which may hold secrets, is taken out of it.
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
