package decode

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/stages/formats"
)

// planes are the pixels of a CIFAR image: red counts the pixels from a start, green is 7, blue 200.
func planes(start int) []byte {
	pixels := bytes.Repeat([]byte{7}, cifarBytes)
	for i := range cifarPlane {
		pixels[i], pixels[2*cifarPlane+i] = byte((start+i)%251), 200
	}
	return pixels
}

// pickledBatch is a batch as Python 2 pickled it for CIFAR's archives.
func pickledBatch(labelsKey string, labels []int, pixels []byte) []byte {
	var p bytes.Buffer
	text := func(s string) string { return fmt.Sprintf("U%c%s", len(s), s) }
	p.WriteString("\x80\x02}q\x01(" + text(labelsKey) + "q\x02]q\x03(")
	for _, label := range labels {
		p.Write([]byte{'K', byte(label)})
	}
	p.WriteString("e" + text("data") + "cnumpy.core.multiarray\n_reconstruct\nq\x04cnumpy\nndarray\nq\x05K\x00\x85U\x01b\x87Rq\x06(K\x01M")
	p.Write(binary.LittleEndian.AppendUint16(nil, uint16(len(labels))))
	p.WriteString("M\x00\x0c\x86cnumpy\ndtype\nq\x07U\x02u1K\x00K\x01\x87Rq\x08(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T")
	p.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(pixels))))
	p.Write(pixels)
	p.WriteString("tbu.")
	return p.Bytes()
}

// pickledNames is a meta file in the text protocol.
func pickledNames(key string, names []string) []byte {
	text := "(dp1\nS'" + key + "'\np2\n(lp3\n"
	for i, name := range names {
		text += fmt.Sprintf("S'%s'\np%d\na", name, 4+i)
	}
	return []byte(text + "sS'num_vis'\nI3072\ns.")
}

func numbered(prefix string, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%s%d", prefix, i)
	}
	return names
}

// cifarArchives are the four archives, with two images in each batch.
func cifarArchives() map[string]map[string][]archiveFile {
	binary10, python10 := []archiveFile{}, []archiveFile{}
	for i, name := range append(numbered("data_batch_", 6)[1:], "test_batch") {
		first, second := planes(2*i), planes(2*i+1)
		binary10 = append(binary10, archiveFile{"cifar-10-batches-bin/" + name + ".bin",
			bytes.Join([][]byte{{byte(i)}, first, {9}, second}, nil)})
		python10 = append(python10, archiveFile{"cifar-10-batches-py/" + name, pickledBatch("labels", []int{i, 9}, append(first, second...))})
	}
	names10 := numbered("class", 10)
	binary10 = append(binary10, archiveFile{"cifar-10-batches-bin/batches.meta.txt", []byte(strings.Join(names10, "\n") + "\n\n")})
	python10 = append(python10, archiveFile{"cifar-10-batches-py/batches.meta", pickledNames("label_names", names10)})

	binary100, python100 := []archiveFile{}, []archiveFile{}
	for i, name := range []string{"train", "test"} {
		first, second := planes(2*i), planes(2*i+1)
		binary100 = append(binary100, archiveFile{"cifar-100-binary/" + name + ".bin",
			bytes.Join([][]byte{{3, byte(i)}, first, {4, 99}, second}, nil)})
		python100 = append(python100, archiveFile{"cifar-100-python/" + name, pickledBatch("fine_labels", []int{i, 99}, append(first, second...))})
	}
	names100 := numbered("fine", 100)
	binary100 = append(binary100, archiveFile{"cifar-100-binary/fine_label_names.txt", []byte(strings.Join(names100, "\n"))})
	python100 = append(python100, archiveFile{"cifar-100-python/meta", pickledNames("fine_label_names", names100)})
	return map[string]map[string][]archiveFile{
		"cifar10":  {"binary": binary10, "python": python10},
		"cifar100": {"binary": binary100, "python": python100},
	}
}

func TestDecodeCIFAR(t *testing.T) {
	for format, kinds := range cifarArchives() {
		var outs []map[string]string
		for kind, files := range kinds {
			t.Run(format+" "+kind, func(t *testing.T) {
				job, err := runDecode(t, &Settings{Format: format}, map[string][]byte{"data.tar.gz": packTarGz(t, files)})
				if err != nil {
					t.Fatal(err)
				}
				outs = append(outs, readDir(t, job.Out))
				m := opened(t, job.Out)
				want, last := []int32{0, 9, 1, 9, 2, 9, 3, 9, 4, 9, 5, 9}, "test_batch#1"
				if format == "cifar100" {
					want, last = []int32{0, 99, 1, 99}, "test#1"
				}
				if diff := cmp.Diff(want, m.Labels); diff != "" {
					t.Errorf("labels (-want +got):\n%s", diff)
				}
				samples, err := m.Samples()
				if err != nil {
					t.Fatal(err)
				}
				if got := samples[len(samples)-1]; got.Path != last || got.Split != "test" || samples[len(samples)-3].Split != "train" {
					t.Errorf("last sample %v", got)
				}
				for row := range m.Count {
					p := m.Pixels.Row(row)
					if got, want := p[3*1000:3*1001], []byte{byte((row + 1000) % 251), 7, 200}; !bytes.Equal(got, want) {
						t.Errorf("pixel 1000 of row %d: %v, expected %v", row, got, want)
					}
				}
			})
		}
		if len(outs) == 2 {
			if diff := cmp.Diff(outs[0], outs[1]); diff != "" {
				t.Errorf("%s: the binary and the python archive differ", format)
			}
		}
	}
}

func TestDecodeCIFARScaled(t *testing.T) {
	files := cifarArchives()["cifar100"]["binary"]
	for size, same := range map[int]bool{32: true, 16: false} {
		job, err := runDecode(t, &Settings{Format: "cifar100", Size: size}, map[string][]byte{"a": packTarGz(t, files)})
		if err != nil {
			t.Fatal(err)
		}
		m, err := formats.OpenImages(job.Out)
		if err != nil {
			t.Fatal(err)
		}
		if m.Height != size || m.Width != size || bytes.Equal(m.Pixels.Row(0), interleave(planes(0))) != same {
			t.Errorf("size %d: %d × %d pixels", size, m.Height, m.Width)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Classes that an archive has no image of are left out.
func TestDecodeCIFARWithoutClasses(t *testing.T) {
	files := cifarArchives()["cifar10"]["binary"]
	for i, f := range files {
		if filepath.Ext(f.name) == ".bin" {
			files[i].data = bytes.Join([][]byte{{2}, planes(2 * i), {9}, planes(2*i + 1)}, nil)
		}
	}
	rows, warnings, err := samplesOf(t, &Settings{Format: "cifar10"}, files)
	if err != nil || len(rows) != 12 || rows[0] != "train class2 data_batch_1#0" || rows[11] != "test class9 test_batch#1" {
		t.Errorf("%q, %v", rows, err)
	}
	if !strings.Contains(warnings, `no image is of the classes "class0", "class1", "class3"`) {
		t.Errorf("warnings %q", warnings)
	}
}

func TestDecodeCIFARErrors(t *testing.T) {
	replace := func(files []archiveFile, name string, data []byte) []archiveFile {
		var changed []archiveFile
		for _, f := range files {
			if filepath.Base(f.name) == name {
				f.data = data
			}
			if f.data != nil {
				changed = append(changed, f)
			}
		}
		return changed
	}
	all := cifarArchives()
	binary, python := all["cifar10"]["binary"], all["cifar10"]["python"]
	for name, c := range map[string]struct {
		files []archiveFile
		want  string
	}{
		"other archive":  {all["cifar100"]["binary"], "no cifar10 archive: it holds neither data_batch_1.bin (binary) nor data_batch_1 (python)"},
		"missing batch":  {replace(binary, "data_batch_3.bin", nil), "the archive has no file data_batch_3.bin"},
		"cut batch":      {replace(binary, "data_batch_2.bin", make([]byte, 5000)), "data_batch_2.bin has 5000 bytes, expected a multiple of 3073"},
		"wrong label":    {replace(binary, "test_batch.bin", bytes.Repeat([]byte{10}, 3073)), "test_batch: image 0 has the label 10, expected 0 to 9"},
		"missing name":   {replace(binary, "batches.meta.txt", []byte("a b")), "the archive names 2 classes, expected 10"},
		"cut pickle":     {replace(python, "data_batch_2", pickledBatch("labels", []int{1}, planes(1))[:3000]), "data_batch_2 (3000 bytes): pickle: the data end early"},
		"few labels":     {replace(python, "data_batch_2", pickledBatch("labels", []int{1, 2}, planes(1))), "data_batch_2: data holds 3072 bytes, expected 2 images of 3072"},
		"hostile pickle": {replace(python, "data_batch_1", []byte("cposix\nsystem\n(S'true'\ntR.")), `data_batch_1 (26 bytes): pickle: it wants "posix system", which is not a part of a CIFAR archive; it may be hostile`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := runDecode(t, &Settings{Format: "cifar10"}, map[string][]byte{"a": packTarGz(t, c.files)})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, expected %q", err, c.want)
			}
		})
	}
}

func TestUnpickleNumPy(t *testing.T) {
	for protocol := 2; protocol <= 5; protocol++ {
		data, err := os.ReadFile(fmt.Sprintf("testdata/cifar-python/protocol-%d", protocol))
		if err != nil {
			t.Fatal(err)
		}
		dict, err := unpickleDict(data)
		if err != nil {
			t.Errorf("protocol %d: %v", protocol, err)
			continue
		}
		a, _ := dict["data"].(*pickledArray)
		want := &pickledArray{dtype: "u1", shape: []int{1, cifarBytes}, data: planes(0)}
		if diff := cmp.Diff(want, a, cmp.AllowUnexported(pickledArray{})); diff != "" {
			t.Errorf("protocol %d (-want +got):\n%s", protocol, diff)
		}
		labels, _ := dict["labels"].(*pickledList)
		if labels == nil || len(labels.items) != 1 || labels.items[0] != 9 {
			t.Errorf("protocol %d: labels %v", protocol, labels)
		}
	}
}

// A pickle of a few bytes must not grow without bound.
func TestUnpickleBomb(t *testing.T) {
	text := strings.Repeat("x", 200)
	bomb := "\x80\x02c_codecs\nencode\nq\x01T\xc8\x00\x00\x00" + text + "q\x02U\x06latin1q\x03"
	bomb += strings.Repeat("h\x01h\x02h\x03\x86R", 1000) + "."
	if _, err := unpickleDict([]byte(bomb)); err == nil || !strings.Contains(err.Error(), "unpacks to more than it can hold") {
		t.Errorf("error %v", err)
	}
}

func FuzzCIFARBinary(f *testing.F) {
	f.Add(append([]byte{3}, planes(0)...), false)
	f.Add(append([]byte{3, 4}, planes(0)...), true)
	f.Add(bytes.Repeat(append([]byte{3}, planes(1)...), 2), false)
	f.Add([]byte{1, 2, 3}, false)
	f.Fuzz(func(t *testing.T, data []byte, hundred bool) {
		format := cifarFormatOf("cifar10")
		if hundred {
			format = cifarFormatOf("cifar100")
		}
		b, err := format.parseBinary("x.bin", data)
		if err != nil {
			return
		}
		if len(b.labels)*b.stride != len(data) {
			t.Errorf("%d images of %d bytes in %d bytes", len(b.labels), b.stride, len(data))
		}
		for i, label := range b.labels {
			at := i * b.stride
			if image := b.pixels[at:][:cifarBytes]; label != int(data[at+format.labelBytes-1]) || !bytes.Equal(image, data[at+format.labelBytes:][:cifarBytes]) {
				t.Errorf("image %d is not where its record is", i)
			}
		}
	})
}

func FuzzCIFARPickle(f *testing.F) {
	f.Add(pickledBatch("labels", []int{1}, []byte("123")))
	f.Add(pickledNames("label_names", []string{"a", "b"}))
	for protocol := 2; protocol <= 5; protocol++ {
		data, err := os.ReadFile(fmt.Sprintf("testdata/cifar-python/protocol-%d", protocol))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		dict, err := unpickleDict(data)
		if err == nil && dict == nil {
			t.Error("neither a dict nor an error")
		}
	})
}
