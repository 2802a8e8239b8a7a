package archivefs

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
)

func packedWith(t testing.TB, data []byte, open func(io.Writer) (io.WriteCloser, error)) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := open(&file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// A tar may be packed in each of the ways that are known; a file in several parts is as good as one.
func TestPackedTar(t *testing.T) {
	plain := tarOfLinked(t, []linked{{name: "a/1", content: text}})
	packers := map[string]func([]byte) []byte{
		"gzip": func(data []byte) []byte { return gzipped(t, data) },
		"xz": func(data []byte) []byte {
			return packedWith(t, data, func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) })
		},
		"Zstandard": func(data []byte) []byte {
			return packedWith(t, data, func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) })
		},
		"LZ4": func(data []byte) []byte {
			return packedWith(t, data, func(w io.Writer) (io.WriteCloser, error) { return lz4.NewWriter(w), nil })
		},
	}
	packed := map[string][]byte{
		// Python's bz2.compress of tarOfLinked's bytes
		"bzip2": unbase64(t, bzip2Tar),
	}
	for name, pack := range packers {
		packed[name] = pack(plain)
		packed[name+" in two parts"] = append(pack(plain[:700]), pack(plain[700:])...)
	}
	for name, data := range packed {
		a := openSaved(t, data)
		if diff := cmp.Diff(map[string]string{"a/1": text}, contents(t, a)); diff != "" {
			t.Errorf("%s: files (-want +got):\n%s", name, diff)
		}
		format, _, _ := strings.Cut(name, " ")
		path, scratch := save(t, data[:len(data)*2/3])
		if _, err := Open(t.Context(), path, scratch); err == nil || !strings.Contains(err.Error(), "truncated: the "+format+" data end early") {
			t.Errorf("%s cut: %v", name, err)
		}
		changed := bytes.Clone(data)
		changed[len(data)/2] ^= 0x55
		path, scratch = save(t, changed)
		if _, err := Open(t.Context(), path, scratch); err == nil || !strings.Contains(err.Error(), format) {
			t.Errorf("%s changed: %v", name, err)
		}
	}
	for _, name := range []string{"bzip2", "xz", "Zstandard", "LZ4"} {
		path, scratch := save(t, packedText(t, name))
		if _, err := Open(t.Context(), path, scratch); err == nil || !strings.Contains(err.Error(), "but not a tar: unpacked it begins with") {
			t.Errorf("%s of a text: %v", name, err)
		}
	}
}

// Tapes and some writers fill up their last block.
func TestGzipWithZerosBehindIt(t *testing.T) {
	plain := tarOfLinked(t, []linked{{name: "a/1", content: text}})
	a := openSaved(t, append(gzipped(t, plain), make([]byte, 700)...))
	if diff := cmp.Diff(map[string]string{"a/1": text}, contents(t, a)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	path, scratch := save(t, append(gzipped(t, plain), "more"...))
	if _, err := Open(t.Context(), path, scratch); err == nil || !strings.Contains(err.Error(), "damaged: gzip: ") {
		t.Errorf("with something else behind it: %v", err)
	}
}

// An xz file that wants a gigabyte to look back in is refused before that is taken.
func TestLargeDictionary(t *testing.T) {
	data := bytes.Clone(packedText(t, "xz"))
	data[12+1+1+2] = 36 // the size of the dictionary, as a power: 1 GiB
	path, scratch := save(t, data)
	if _, err := Open(t.Context(), path, scratch); err == nil || !strings.Contains(err.Error(), "needs 1024 MiB of memory to unpack") {
		t.Errorf("error %v", err)
	}
}

const bzip2Tar = "QlpoOTFBWSZTWbrHISMAAMDblMiAQAT3hAACb0SegAQAACAACDAAuoElEZNGgMgABjAATAAEwKlIjJkAAaepiXX0t1i7aRxy28KL8KXIomNlRHcRURgAhySBoCKHxi1KDBKbZsRKTpYYzsg9MUQjXrURURsEWBGQiwRoIoI+iMwjMReI85iPYjARaI0oIt0xkhr0k/i7kinChIXWOQkY"
