package decode

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/image/bmp"

	"tlpipe/pipeline/exit"
	"tlpipe/stages/formats"
	"tlpipe/stages/imagefile"
	"tlpipe/stages/machine"
	"tlpipe/stages/stagetest"
)

// badImages decodes the odd images in one archive with a thousand good ones: each bad one is set aside with its reason,
// and nothing else stops. It returns how many odd ones there were.
func badImages(t *testing.T, env machine.Resources) int {
	odd := oddImages(t)
	files, want := []archiveFile{}, map[string]string{}
	for i := range 1000 {
		files = append(files, archiveFile{fmt.Sprintf("train/good/%04d.png", i), tinyPNG(t, 4, 4, i)})
	}
	for _, c := range odd {
		path := "train/odd/" + c.Name
		files, want[path] = append(files, archiveFile{path, c.Data}), c.Want
	}
	job := decodeJob(t, map[string][]byte{"archive": packTarGz(t, files)})
	s := &Settings{Format: "image-folder", Size: 8, Resize: "antialias", MaxRejected: 0.01}
	if err := Stage(s, env).Run(context.Background(), job); exit.Code(err) != exit.Rejected {
		t.Errorf("got error %.300v, want that more than 1 %% of the images are bad", err)
	}
	s.MaxRejected = 0.2
	if err := Stage(s, env).Run(context.Background(), job); err != nil {
		t.Fatal(err)
	}
	bad := 0
	for _, line := range strings.Split(strings.TrimSpace(readDir(t, job.Out)["rejected.jsonl"]), "\n") {
		var r formats.Rejected
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		expected, known := want[r.Path]
		if !known || expected == "" || !strings.Contains(r.Reason, expected) || strings.ContainsAny(r.Reason, "\n\x1b") {
			t.Errorf("%q was rejected: %q, want %q", r.Path, r.Reason, expected)
		}
		delete(want, r.Path)
		bad++
	}
	for path, expected := range want {
		if expected != "" {
			t.Errorf("%q was taken, want it rejected: %s", path, expected)
		}
	}
	m := opened(t, job.Out)
	if m.Count != 1000+len(odd)-bad {
		t.Errorf("%d images, of which %d odd ones are good", m.Count, len(odd)-bad)
	}
	return len(odd)
}

func oddImages(t *testing.T) (odd []stagetest.BadInput) {
	add := func(name string, data []byte, want string) { odd = append(odd, stagetest.Bad(name, data, want)) }

	// Good ones, however odd.
	seeds := []string{
		"baseline.jpg", "progressive.jpg", "gray.jpg", "rgb.jpg", "subsampled.jpg", "cmyk-adobe.jpg", "cmyk-plain.jpg", "ycck.jpg",
		"rgb.png", "alpha.png", "gray-alpha.png", "bits.png", "palette.png", "palette-transparent.png", "first-frame.gif",
		"rgb.bmp", "palette.bmp", "lossless.webp", "lossy.webp", "lossy-alpha.webp", "orientation-6.webp",
		"animated.webp", "animated-part.webp", "odd.heic", "odd-alpha.heic", "odd.avif", "animated-odd.avif", "rgb.tif", "cmyk.tif", "pages.tif",
	}
	for value := 1; value <= 8; value++ {
		seeds = append(seeds, fmt.Sprintf("orientation-%d.jpg", value), fmt.Sprintf("orientation-%d.png", value))
	}
	for _, name := range seeds {
		add(name, stagetest.SmallPicture(t, name), "")
	}
	photo, drawing := stagetest.SmallPicture(t, "baseline.jpg"), stagetest.SmallPicture(t, "rgb.png")
	add("png.jpg", drawing, "")
	add("jpg.txt", photo, "")
	add("gif.png", stagetest.SmallPicture(t, "first-frame.gif"), "")
	add("no extension", photo, "")
	add("text behind it.jpg", append(bytes.Clone(photo), "and more"...), "")
	add("text behind it.png", append(bytes.Clone(drawing), "and more"...), "")
	frame := withChunk(drawing, "fcTL", make([]byte, 26)) // the first, which readers that know no animation show
	add("animated.png", withChunk(frame, "acTL", []byte{0, 0, 0, 2, 0, 0, 0, 0}), "")
	wrong := withChunk(drawing, "tEXt", []byte("a\x00b"))
	wrong[33+8+3] ^= 1 // the text, so that its checksum is wrong
	add("wrong checksum of text.png", wrong, "")
	add("profile.png", withChunk(drawing, "iCCP", []byte("sRGB\x00\x00not zlib")), "")
	add("profile.jpg", append(append(bytes.Clone(photo[:2]), "\xff\xe2\x00\x12ICC_PROFILE\x00\x01\x01xx"...), photo[2:]...), "")
	rect := image.Rect(0, 0, 3, 2)
	add("gray 16 bit.png", encodedAs(t, "png", image.NewGray16(rect)), "")
	add("rgb 16 bit.png", encodedAs(t, "png", image.NewRGBA64(rect)), "")
	add("alpha 16 bit.png", encodedAs(t, "png", image.NewNRGBA64(rect)), "")
	for _, format := range []string{"png", "jpg", "gif", "bmp"} {
		add("1x1."+format, encodedAs(t, format, image.NewPaletted(image.Rect(0, 0, 1, 1), color.Palette{color.White})), "")
	}
	add("20000x1.png", encodedAs(t, "png", image.NewGray(image.Rect(0, 0, 20_000, 1))), "")
	for _, name := range []string{
		"with space", " spaces around ", "ünïcödé", "u\u0308 decomposed", "图像", "🐜", "new\nline", "tab\tbed", "-rf", "--help", "quote\"'", "$(touch x)", "%s%n%d",
		"semi;colon&", "back\\slash", "right-to-left\u202e", "escape\x1b[1m", "\xff\xfe", strings.Repeat("long", 60), "*?[a]",
	} {
		add(name+".png", tinyPNG(t, 4, 4, len(odd)), "")
	}

	// Bad ones.
	formats := map[string]string{".jpg": "JPEG", ".png": "PNG", ".bmp": "BMP", ".webp": "WebP"}
	for _, name := range []string{"baseline.jpg", "progressive.jpg", "cmyk-adobe.jpg", "rgb.png", "palette.png", "rgb.bmp", "lossless.webp", "lossy.webp"} {
		data := stagetest.SmallPicture(t, name)
		for _, share := range []int{20, 50, 80} {
			add(fmt.Sprintf("cut at %d %% %s", share, name), data[:len(data)*share/100], formats[filepath.Ext(name)])
		}
	}
	gifFile := stagetest.SmallPicture(t, "first-frame.gif")
	add("cut.gif", gifFile[:60], "GIF")
	for magic, want := range map[string]string{
		"": "empty file", "\xff": "not an image", "\xff\xd8": "JPEG", "\xff\xd8\xff\xd9": "JPEG", "\x89PNG\r\n\x1a\n": "PNG", "GIF89a": "GIF", "BM": "BMP", "RIFF\x00\x00\x00\x00WEBP": "WebP",
		"<html><body>not found": "a web page", "<svg xmlns=": "SVG", "II*\x00\x08\x00\x00\x00": "TIFF", "MM\x00*\x00\x00\x00\x08": "TIFF", "\x00\x00\x00\x18ftypheic": "HEIC",
		"%PDF-1.7": "PDF", "hello": "not an image", `{"error": 404}`: "not an image", "PK\x03\x04": "not an image", "\x80\x04\x95": "not an image", "\x1b]0;title\x07": "not an image",
	} {
		add(fmt.Sprintf("only %x", magic), []byte(magic), want)
	}
	for name, format := range map[string]string{"lzw.tif": "TIFF", "odd.heic": "HEIC", "odd.avif": "AVIF", "animated.webp": "WebP"} {
		data := stagetest.SmallPicture(t, name)
		add("cut at 50 % "+name, data[:len(data)/2], format)
	}
	add("wrong checksum.png", stagetest.Flipped(drawing, len(drawing)/2), "PNG")
	add("no data.png", append(bytes.Clone(drawing[:33]), drawing[len(drawing)-12:]...), "PNG")
	add("depth 3.png", header(drawing, 24, 3), "PNG")
	for name, data := range bombs(t) {
		add(name, data, "million are refused")
	}
	add("0x0.png", size(drawing, 0, 0), "PNG")
	add("0x5.jpg", jpegSize(photo, 0, 5), "JPEG")
	return odd
}

// bombs are files of a few bytes that claim to be 30,000 pixels high and wide, or as much as their format allows.
func bombs(t *testing.T) map[string][]byte {
	const side = 30_000
	files := map[string][]byte{
		"bomb.png": size(stagetest.SmallPicture(t, "rgb.png"), side, side), "long bomb.png": size(stagetest.SmallPicture(t, "rgb.png"), 1<<30, 1),
		"bomb.jpg": jpegSize(stagetest.SmallPicture(t, "baseline.jpg"), side, side), "progressive bomb.jpg": jpegSize(stagetest.SmallPicture(t, "progressive.jpg"), side, side),
	}
	g := bytes.Clone(stagetest.SmallPicture(t, "first-frame.gif"))
	binary.LittleEndian.PutUint16(g[6:], side)
	binary.LittleEndian.PutUint16(g[8:], side)
	files["bomb.gif"] = g
	b := bytes.Clone(stagetest.SmallPicture(t, "rgb.bmp"))
	binary.LittleEndian.PutUint32(b[18:], side)
	binary.LittleEndian.PutUint32(b[22:], side)
	files["bomb.bmp"] = b
	w := bytes.Clone(stagetest.SmallPicture(t, "lossless.webp"))
	binary.LittleEndian.PutUint32(w[21:], 16_383|16_383<<14) // behind RIFF, size, WEBP, VP8L, size, 0x2f
	files["bomb.webp"] = w
	return files
}

// A bomb is refused before any of its pixels takes memory.
func TestBombTakesNoMemory(t *testing.T) {
	for name, data := range bombs(t) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := imagefile.Decode(data, imagefile.Options{Size: 8})
		runtime.ReadMemStats(&after)
		if taken := after.TotalAlloc - before.TotalAlloc; err == nil || taken > 1<<20 {
			t.Errorf("%s: error %v after %d bytes", name, err, taken)
		}
	}
}

func encodedAs(t *testing.T, format string, m image.Image) []byte {
	t.Helper()
	var file bytes.Buffer
	var err error
	switch format {
	case "png":
		err = png.Encode(&file, m)
	case "jpg":
		err = jpeg.Encode(&file, m, nil)
	case "gif":
		err = gif.Encode(&file, m, nil)
	case "bmp":
		err = bmp.Encode(&file, m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// header changes a byte of a PNG's header, and its checksum with it.
func header(file []byte, at int, value byte) []byte {
	changed := bytes.Clone(file)
	changed[at] = value
	binary.BigEndian.PutUint32(changed[29:], crc32.ChecksumIEEE(changed[12:29]))
	return changed
}

// size gives a PNG another size.
func size(file []byte, width, height uint32) []byte {
	changed := bytes.Clone(file)
	binary.BigEndian.PutUint32(changed[16:], width)
	binary.BigEndian.PutUint32(changed[20:], height)
	return header(changed, 24, changed[24])
}

// jpegSize gives a JPEG another size.
func jpegSize(file []byte, width, height uint16) []byte {
	changed := bytes.Clone(file)
	at := max(bytes.Index(changed, []byte("\xff\xc0")), bytes.Index(changed, []byte("\xff\xc2")))
	binary.BigEndian.PutUint16(changed[at+5:], height)
	binary.BigEndian.PutUint16(changed[at+7:], width)
	return changed
}

// withChunk puts a chunk behind a PNG's header.
func withChunk(file []byte, name string, content []byte) []byte {
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(content)))
	chunk = append(append(chunk, name...), content...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
	return append(append(bytes.Clone(file[:33]), chunk...), file[33:]...)
}
