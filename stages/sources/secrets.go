package sources

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"regexp"
)

var (
	userInfo = regexp.MustCompile(`(\w://)[^/\s"']*@`)
	query    = regexp.MustCompile(`(\w://[^\s"'?#]*)[?#][^\s"']*`)
	bare     = regexp.MustCompile(`\?[^\s"'=]+=[^\s"']*`) // the query of an address whose host is not shown
)

// Scrub removes the secrets of all addresses in a text.
func Scrub(text string) string {
	text = userInfo.ReplaceAllString(text, "$1")
	text = query.ReplaceAllString(text, "$1")
	return bare.ReplaceAllString(text, "")
}

// PublicURL is an address without its secrets.
func PublicURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return Scrub(raw)
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}

// URLKey returns a form of an address that distinguishes addresses without showing secrets. A query, which may select the
// file, is replaced by the first bytes of its SHA-256.
func URLKey(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.RawQuery == "" {
		return PublicURL(raw)
	}
	sum := sha256.Sum256([]byte(u.RawQuery))
	return PublicURL(raw) + " query " + hex.EncodeToString(sum[:4])
}
