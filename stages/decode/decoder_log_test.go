package decode

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"tlpipe/stages/imagefile"
)

// What a decoder prints stands in the log with the name of the file, however many are decoded together and at a time.
func TestDecoderLog(t *testing.T) {
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "log"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var good bytes.Buffer
	if err := jpeg.Encode(&good, image.NewGray(image.Rect(0, 0, 4, 4)), nil); err != nil {
		t.Fatal(err)
	}
	bad := append(bytes.Clone(good.Bytes()), "spoilt"...)
	opts := imagefile.Options{JPEG: func(files [][]byte, _ int, part image.Rectangle, use func(i int, pix []byte)) error {
		for i, file := range files {
			if bytes.HasSuffix(file, []byte("spoilt")) {
				fmt.Fprintln(f, "Corrupt JPEG data: 6 extraneous bytes")
			}
			use(i, make([]byte, 3*part.Dx()*part.Dy()))
		}
		return nil
	}}
	l := &decoderLog{file: f}
	var group sync.WaitGroup
	for g := range 8 {
		group.Go(func() {
			var names []string
			var files [][]byte
			for i := range 10 {
				names, files = append(names, fmt.Sprintf("%d/%d\n.jpg", g, i)), append(files, good.Bytes())
			}
			if g%4 == 1 {
				files[3], files[7] = bad, bad
			}
			for i, err := range l.decode(names, files, make([]imagefile.Image, 10), opts) {
				if err != nil {
					t.Errorf("%s: %v", names[i], err)
				}
			}
		})
	}
	group.Wait()
	text, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for line := range strings.Lines(string(text)) {
		if name, _, ok := strings.Cut(line, ": Corrupt JPEG data: 6 extraneous bytes"); ok {
			named++
			if name != `"1/3\n.jpg"` && name != `"1/7\n.jpg"` && name != `"5/3\n.jpg"` && name != `"5/7\n.jpg"` {
				t.Errorf("named is %s", name)
			}
		}
	}
	if named != 4 {
		t.Errorf("%d files are named, expected 4:\n%s", named, text)
	}
}
