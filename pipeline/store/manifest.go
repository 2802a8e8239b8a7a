package store

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"strings"
)

const (
	manifestName   = "manifest.json"
	manifestFormat = 1
)

// manifest lists the files of an artifact. The SHA-256 of its text is the artifact's ID, so the text depends on the content only.
type manifest struct {
	Format   int            `json:"format"`
	Type     string         `json:"type"`
	Identity string         `json:"identity,omitempty"`
	Files    []manifestFile `json:"files"` // sorted bytewise by path
}

type manifestFile struct {
	Path   string `json:"path"` // slash-separated, relative to the object
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// encode returns the manifest's text and the artifact's ID.
func (m manifest) encode() (data []byte, id string, err error) {
	if m.Files == nil {
		m.Files = []manifestFile{}
	}
	if data, err = encodeJSON(m); err != nil {
		return nil, "", err
	}
	if _, err := parseManifest(data); err != nil {
		return nil, "", err
	}
	return data, manifestID(data), nil
}

func manifestID(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// parseManifest decodes a manifest and refuses paths that could lead out of the object's directory.
func parseManifest(data []byte) (manifest, error) {
	var m manifest
	if len(data) == 0 {
		return m, damagef("it is empty")
	}
	if err := decode(data, "its manifest", manifestFormat, &m); err != nil {
		return manifest{}, err
	}
	if m.Type == "" {
		return manifest{}, damagef("it names no artifact type")
	}
	for i, f := range m.Files {
		switch {
		case !fs.ValidPath(f.Path) || f.Path == "." || f.Path == manifestName || strings.ContainsRune(f.Path, 0):
			return manifest{}, damagef("file %d has the impossible path %q", i, f.Path)
		case i > 0 && f.Path <= m.Files[i-1].Path:
			return manifest{}, damagef("%q is out of order", f.Path)
		case f.Bytes < 0:
			return manifest{}, damagef("%q has %d bytes", f.Path, f.Bytes)
		case !isDigest(f.SHA256):
			return manifest{}, damagef("%q has no SHA-256 but %q", f.Path, f.SHA256)
		}
	}
	return m, nil
}

func (m manifest) bytes() int64 {
	var n int64
	for _, f := range m.Files {
		n += f.Bytes
	}
	return n
}

// artifact returns the Artifact in dir that the manifest describes.
func (m manifest) artifact(id, dir string) Artifact {
	a := Artifact{ID: id, Type: m.Type, Dir: dir, Identity: m.Identity}
	if a.Identity == "" {
		a.Identity = id
	}
	return a
}
