package decode

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"testing"

	"github.com/klauspost/compress/flate"

	"tlpipe/pipeline/exit"
	"tlpipe/stages/machine"
)

// peakOf is how many bytes more than before a process has resident while f runs; known is false where the kernel does
// not let it be measured.
func peakOf(t *testing.T, f func()) (bytes int64, known bool) {
	t.Helper()
	const forget = "5" // the peak so far
	if os.WriteFile("/proc/self/clear_refs", []byte(forget), 0) != nil {
		return 0, false
	}
	before := statusOf(t, "VmHWM")
	f()
	return statusOf(t, "VmHWM") - before, true
}

func statusOf(t *testing.T, name string) int64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := bytes.Cut(status, []byte("\n"+name+":"))
	var kib int64
	if _, err := fmt.Sscanf(string(after), "%d kB", &kib); err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// A zip of less than a megabyte whose files unpack to half a gigabyte takes no more memory than one large file may.
func TestZipBombTakesLittleMemory(t *testing.T) {
	const size = 40 << 20
	for _, c := range []struct {
		name  string
		begin []byte
		most  int64 // bytes
	}{
		{"zeros", nil, 64 << 20}, // seen to be no pictures by their first bytes
		{"pictures", tinyPNG(t, 100, 100, 1), largeRoom + 64<<20},
	} {
		var packed bytes.Buffer
		w, err := flate.NewWriter(&packed, flate.BestSpeed)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(c.begin); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, size-len(c.begin))); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		var files []zipped
		for i := range 12 {
			files = append(files, zipped{archiveFile{fmt.Sprintf("train/ant/%d.png", i), packed.Bytes()}, func(h *zip.FileHeader) {
				h.Method, h.UncompressedSize64, h.CRC32 = zip.Deflate, size, 0
			}})
		}
		archive := zipOfFiles(t, files)
		job := decodeJob(t, map[string][]byte{"a.zip": archive})
		taken, known := peakOf(t, func() {
			err = Stage(&Settings{Format: "image-folder", Workers: 16, MaxRejected: 1}, machine.Resources{}).Run(t.Context(), job)
		})
		if good := c.begin != nil; good != (err == nil) || !good && exit.Code(err) != exit.Rejected {
			t.Errorf("%s: %v", c.name, err)
		}
		if !known {
			t.Skip("the kernel does not let the peak be measured")
		}
		t.Logf("%s: %d bytes of a zip took %d MiB", c.name, len(archive), taken>>20)
		if taken > c.most {
			t.Errorf("%s: it took %d MiB, more than %d", c.name, taken>>20, c.most>>20)
		}
	}
}
