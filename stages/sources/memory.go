package sources

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"

	"tlpipe/pipeline/filestate"
)

// A memory is a file of digests: this header, the path of the source, an entry for each file by name, and a digest of all
// that, since a flipped bit must not be taken for other content. Of each name only the part that differs from the one before
// is written.
const memoryFormat = "tlpipe digests 1\n"

// memory returns the path of the file that caches the digests of a source.
func (d *Digests) memory(source string) string {
	sum := sha256.Sum256([]byte(source))
	return filepath.Join(d.dir, hex.EncodeToString(sum[:16]))
}

// appendMemory appends the digests that are settled: files written so recently that a change might not show in their times
// are left out.
func appendMemory(to []byte, source string, entries []entry) []byte {
	to = appendText(append(to, memoryFormat...), source)
	last := ""
	for i := range entries {
		name, k := entries[i].name, &entries[i].known
		if !k.settled {
			continue
		}
		shared := 0
		for shared < min(len(last), len(name)) && last[shared] == name[shared] {
			shared++
		}
		to = appendText(binary.AppendUvarint(to, uint64(shared)), name[shared:])
		for _, n := range []uint64{k.state.Device, k.state.Inode} {
			to = binary.AppendUvarint(to, n)
		}
		for _, n := range []int64{k.state.Bytes, k.state.Modified, k.state.Changed} {
			to = binary.AppendVarint(to, n)
		}
		to = append(to, k.sha256[:]...)
		last = name
	}
	sum := sha256.Sum256(to)
	return append(to, sum[:]...)
}

func appendText(to []byte, text string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(text))), text...)
}

// readMemory reads the digests of a source; none where the file is missing, damaged or of another source.
func readMemory(file, source string) map[string]knownDigest {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	return parseMemory(text, source)
}

func parseMemory(text []byte, source string) map[string]knownDigest {
	body := len(text) - sha256.Size
	if body < 0 {
		return nil
	}
	if sum := sha256.Sum256(text[:body]); !bytes.Equal(sum[:], text[body:]) {
		return nil
	}
	r := memoryReader{text[:body], true}
	if r.source() != source {
		return nil
	}
	known := map[string]knownDigest{}
	last := ""
	for r.ok && len(r.text) > 0 {
		shared := r.number()
		if shared > uint64(len(last)) {
			return nil
		}
		last = last[:shared] + r.string()
		state := filestate.State{Device: r.number(), Inode: r.number()}
		state.Bytes, state.Modified, state.Changed = r.signed(), r.signed(), r.signed()
		known[last] = knownDigest{state: state, sha256: [32]byte(r.take(sha256.Size)), settled: true}
	}
	if !r.ok {
		return nil
	}
	return known
}

// sourceOf returns the path of the source that a memory describes; ok is false if the file is no memory of this format.
func sourceOf(file string) (source string, ok bool) {
	f, err := os.Open(file)
	if err != nil {
		return "", false
	}
	defer f.Close()
	const longest = 8 << 10 // of a path
	text, err := io.ReadAll(io.LimitReader(f, longest))
	r := memoryReader{text, err == nil}
	return r.source(), r.ok
}

// memoryReader reads values from the front of a text; ok becomes false once one is missing.
type memoryReader struct {
	text []byte
	ok   bool
}

func (r *memoryReader) take(n int) []byte {
	if n > len(r.text) {
		r.text, r.ok = nil, false
		return make([]byte, min(n, sha256.Size))
	}
	taken := r.text[:n]
	r.text = r.text[n:]
	return taken
}

func (r *memoryReader) number() uint64 {
	v, n := binary.Uvarint(r.text)
	r.take(1 + max(n-1, 0))
	r.ok = r.ok && n > 0
	return v
}

func (r *memoryReader) signed() int64 {
	v, n := binary.Varint(r.text)
	r.take(1 + max(n-1, 0))
	r.ok = r.ok && n > 0
	return v
}

func (r *memoryReader) string() string {
	return string(r.take(int(min(r.number(), uint64(len(r.text)+1)))))
}

func (r *memoryReader) source() string {
	if !strings.HasPrefix(string(r.text), memoryFormat) {
		r.ok = false
		return ""
	}
	r.take(len(memoryFormat))
	return r.string()
}
