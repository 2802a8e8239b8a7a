package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
)

// decode decodes a JSON file of the store into v. It checks the file's format number first, since nothing else is known about a newer
// format. what names the file in errors. The error is damage or says that the format is newer.
func decode(text []byte, what string, known int, v any) error {
	var any struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(text, &any); err != nil {
		return damagef("%s is no JSON with a format: %w", what, err)
	}
	if any.Format > known {
		return newer(what, any.Format, known)
	}
	if any.Format < 1 {
		return damagef("%s names no format", what)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return damagef("%s is not as tlpipe writes it: %w", what, err)
	}
	return nil
}

// decodeSealed does the same for a text that ends with its digest, and returns the text without the digest.
func decodeSealed(data []byte, known int, v any) (text []byte, err error) {
	text, whole := unseal(data)
	if !whole {
		return nil, damagef("it is not as it was written")
	}
	return text, decode(text, "it", known, v)
}

// A sealed text ends with the SHA-256 of the rest. All formats do, so that an older tlpipe can distinguish a damaged text from one
// in a newer format.
const (
	sealBegin = ",\n  \"sha256\": \""
	sealEnd   = "\"\n}\n"
	plainEnd  = "\n}\n"
)

// seal appends the digest to a text.
func seal(text []byte) []byte {
	sum := sha256.Sum256(text)
	return slices.Concat(bytes.TrimSuffix(text, []byte(plainEnd)), []byte(sealBegin), []byte(hex.EncodeToString(sum[:])), []byte(sealEnd))
}

// unseal removes the digest from a text; ok is false if it is wrong.
func unseal(data []byte) (text []byte, ok bool) {
	at := len(data) - len(sealBegin) - hex.EncodedLen(sha256.Size) - len(sealEnd)
	if at < 0 {
		return nil, false
	}
	text = append(slices.Clone(data[:at]), plainEnd...)
	return text, bytes.Equal(seal(text), data)
}
