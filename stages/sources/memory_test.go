package sources

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"tlpipe/pipeline/filestate"
)

func TestMemory(t *testing.T) {
	known := map[string]knownDigest{
		"a/b": {state: filestate.State{Device: 1, Inode: 2, Bytes: 3, Modified: -4, Changed: 5}, sha256: sha256.Sum256(nil), settled: true},
		"a/c": {state: filestate.State{Device: 1 << 63, Bytes: 1 << 62}, settled: true},
		"new": {state: filestate.State{Bytes: 1}},
	}
	entries := []entry{{name: "a/"}, {name: "a/b", known: known["a/b"]}, {name: "a/c", known: known["a/c"]}, {name: "new", known: known["new"]}}
	text := appendMemory(nil, "/data", entries)
	got := parseMemory(text, "/data")
	if delete(known, "new"); len(got) != len(known) || got["a/b"] != known["a/b"] || got["a/c"] != known["a/c"] {
		t.Errorf("got %+v, want %+v", got, known)
	}
	if parseMemory(text, "/other") != nil {
		t.Error("the memory of another source is taken")
	}
	for i := range text {
		if parseMemory(text[:i], "/data") != nil {
			t.Fatalf("a memory cut to %d bytes is taken", i)
		}
		flipped := bytes.Clone(text)
		flipped[i] ^= 1
		if parseMemory(flipped, "/data") != nil {
			t.Fatalf("a memory with a flipped bit in byte %d is taken", i)
		}
	}
}

// Whatever lies where a memory should, it is taken only if it is one, and then it says what was written.
func FuzzMemory(f *testing.F) {
	one, other := knownDigest{settled: true}, knownDigest{state: filestate.State{Device: 1, Inode: 2, Bytes: 3, Modified: 4, Changed: 5}, settled: true}
	whole := appendMemory(nil, "/data", []entry{{name: "", known: one}, {name: "a", known: other}, {name: "ab", known: one}})
	f.Add(whole[:len(whole)-sha256.Size])
	f.Add([]byte(memoryFormat))
	f.Fuzz(func(t *testing.T, text []byte) {
		sum := sha256.Sum256(text) // so that not all ends at the digest
		known := parseMemory(append(bytes.Clone(text), sum[:]...), "/data")
		var entries []entry
		for name, k := range known {
			entries = append(entries, entry{name: name, known: k})
		}
		again := parseMemory(appendMemory(nil, "/data", entries), "/data")
		if len(again) != len(known) {
			t.Fatalf("%d digests became %d", len(known), len(again))
		}
		for name, k := range known {
			if again[name] != k {
				t.Errorf("%q: %+v became %+v", name, k, again[name])
			}
		}
	})
}
