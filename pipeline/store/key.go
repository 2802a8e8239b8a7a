package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// KeyID returns the ActionID of a key: the SHA-256 of a format tag and of every name and value, each preceded by its length so
// that different keys never hash the same text. Order matters. Names and values must be UTF-8, since records store them as JSON.
func KeyID(lines []Line) ActionID {
	h := sha256.New()
	fmt.Fprintf(h, "tlpipe key 1\n")
	for _, l := range lines {
		fmt.Fprintf(h, "%d:%s=%d:%s\n", len(l.Name), l.Name, len(l.Value), l.Value)
	}
	return ActionID(hex.EncodeToString(h.Sum(nil)))
}

// isDigest reports whether s is a SHA-256 in lower-case hex, and thus safe as a file name.
func isDigest(s string) bool {
	if len(s) != 2*sha256.Size {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
