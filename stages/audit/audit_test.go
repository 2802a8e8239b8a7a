package audit

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/stages/formats"
)

// planted is a small data set whose pictures and features are made up.
type planted struct {
	classes  int
	labels   []int32
	splits   []string
	pictures [][]byte // 12 × 12 × 3
	features [][]float32
}

const (
	side  = 12
	width = 40
)

// newPlanted gives n images; those of a class have features around a point of their own.
func newPlanted(n, classes int) *planted {
	random := rand.New(rand.NewPCG(3, 4))
	centre := make([][]float64, classes)
	for c := range centre {
		for range width {
			centre[c] = append(centre[c], 3*random.NormFloat64())
		}
	}
	p := &planted{classes: classes}
	for i := range n {
		class := i % classes
		var picture []byte
		for range side * side * 3 {
			picture = append(picture, byte(random.IntN(256)))
		}
		var feature []float32
		for _, v := range centre[class] {
			feature = append(feature, float32(v+random.NormFloat64()))
		}
		split := formats.Train
		if i%10 == 9 {
			split = formats.Test
		}
		p.labels, p.splits = append(p.labels, int32(class)), append(p.splits, split)
		p.pictures, p.features = append(p.pictures, picture), append(p.features, feature)
	}
	return p
}

// copyOf makes image i a copy of j, nearly: the picture and the features change a little.
func (p *planted) copyOf(i, j int, change byte) {
	p.pictures[i], p.features[i] = slices.Clone(p.pictures[j]), slices.Clone(p.features[j])
	for at := range p.pictures[i] {
		if at%50 == 0 {
			p.pictures[i][at] ^= change
		}
	}
	p.features[i][0] += float32(change) / 100
}

func (p *planted) data(t *testing.T) Data {
	t.Helper()
	dir := t.TempDir()
	names := make([]string, p.classes)
	for c := range names {
		names[c] = fmt.Sprintf("class %d", c)
	}
	n := len(p.labels)
	d := &formats.Dataset{Classes: names, Height: side, Width: side, Counts: map[string][]int{}, Rows: map[string][]int64{}}
	var samples []formats.Sample
	rows := make([]int64, n)
	for i, split := range p.splits {
		rows[i] = int64(i)
		samples = append(samples, formats.Sample{Path: fmt.Sprintf("%s/%d.png", split, i), Split: split, Class: names[p.labels[i]]})
		d.Rows[split] = append(d.Rows[split], int64(i))
		if d.Counts[split] == nil {
			d.Counts[split] = make([]int, p.classes)
		}
		d.Counts[split][p.labels[i]]++
	}
	var values []byte
	for _, f := range p.features {
		for _, v := range f {
			bits := math.Float32bits(v)
			values = append(values, byte(bits), byte(bits>>8), byte(bits>>16), byte(bits>>24))
		}
	}
	err := errors.Join(
		formats.WriteJSON(filepath.Join(dir, "images.json"), formats.ImagesInfo{Count: n, Shape: [3]int{side, side, 3}, ShardSize: n, Classes: names}),
		formats.WriteInt32s(filepath.Join(dir, "labels.npy"), p.labels),
		formats.WriteArray(filepath.Join(dir, "images-00000.npy"), "|u1", []int{n, side, side, 3}, slices.Concat(p.pictures...)),
		formats.WriteInt64s(filepath.Join(dir, "rows.npy"), rows),
		formats.WriteArray(filepath.Join(dir, "features-00000.npy"), "<f4", []int{n, width}, values),
		formats.WriteJSON(filepath.Join(dir, "features.json"), formats.FeaturesInfo{Count: n, Copies: 1, Shape: []int{width}, ShardSize: n, DType: "float32"}),
	)
	if err != nil {
		t.Fatal(err)
	}
	images, err := formats.OpenImages(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { images.Close() })
	features, err := formats.OpenFeatures(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { features.Close() })
	return Data{Images: images, Dataset: d, Features: features, Samples: samples}
}

func run(t *testing.T, d Data) *Result {
	t.Helper()
	r, err := Run(t.Context(), d, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// list shows findings of a kind as row, and the other row or the suggested class.
func list(r *Result, kind string) (texts []string) {
	for _, f := range r.Of(kind) {
		text := fmt.Sprint(f.Row)
		if f.Other >= 0 {
			text += fmt.Sprintf(" %d", f.Other)
		}
		if f.Suggested >= 0 {
			text += fmt.Sprintf(" class %d", f.Suggested)
		}
		texts = append(texts, text)
	}
	return texts
}

func TestPlantedErrors(t *testing.T) {
	p := newPlanted(200, 4)
	p.labels[40], p.labels[81] = 2, 3 // in truth 0 and 1
	p.copyOf(24, 20, 0)               // the same in train
	p.copyOf(29, 25, 0)               // the same in test and train
	p.copyOf(50, 52, 0)               // the same, with another label: 2 and 0
	p.labels[50] = 2
	p.copyOf(60, 64, 3)                     // nearly the same in train
	p.copyOf(69, 65, 3)                     // nearly the same in test and train
	p.features[70][1] = float32(math.NaN()) // the network overflowed
	for i := range p.pictures[11] {
		p.pictures[11][i] /= 10 // dark
	}
	for i := range p.pictures[12] {
		p.pictures[12][i] = 255 - p.pictures[12][i]/50 // bright
	}
	for i := range p.pictures[13] {
		p.pictures[13][i] = p.pictures[13][i/3*3] // gray
	}
	p.labels[50], p.labels[52] = 2, 0
	r := run(t, p.data(t))
	for kind, want := range map[string][]string{
		Same: {"24 20"}, SameAcross: {"29 25"}, SameOtherLabel: {"52 50"}, Near: {"64 60"}, NearAcross: {"69 65"}, NearOtherLabel: nil,
		NotFinite: {"70"}, Dark: {"11"}, Bright: {"12"}, Gray: {"13"},
	} {
		if diff := cmp.Diff(want, list(r, kind)); diff != "" {
			t.Errorf("%s (- want, + got):\n%s", kind, diff)
		}
	}
	found := strings.Join(list(r, LabelError), ", ")
	for _, want := range []string{"40 class 0", "81 class 1"} {
		if !strings.Contains(found, want) {
			t.Errorf("label errors are %s, without %s", found, want)
		}
	}
	if n := len(r.Of(LabelError)); n > 5 {
		t.Errorf("%d label errors: %s", n, found)
	}
}

// The same data give the same findings, whoever of the goroutines was first.
func TestSameFindings(t *testing.T) {
	p := newPlanted(300, 5)
	for i := range 40 {
		p.labels[7*i] = int32(i % 5)
		p.copyOf(7*i+1, 7*i, 2)
	}
	d := p.data(t)
	first, second := run(t, d), run(t, d)
	if diff := cmp.Diff(first.Save(), second.Save()); diff != "" {
		t.Errorf("the second audit differs:\n%s", diff)
	}
}

func TestOddData(t *testing.T) {
	tests := map[string]struct {
		make func() *planted
		want func(*Result) string // what is wrong; empty: nothing
	}{
		"two classes": {func() *planted { return newPlanted(40, 2) }, nil},
		"one class": {func() *planted { return newPlanted(40, 1) }, func(r *Result) string {
			return unlessNoted(r, "labels were not judged")
		}},
		"many classes": {func() *planted { return newPlanted(480, 400) }, nil},
		"a class with one image": {func() *planted {
			p := newPlanted(60, 3)
			p.labels[7], p.classes = 3, 4
			return p
		}, func(r *Result) string {
			if slices.Contains(list(r, LabelError), "7 class 1") {
				return "the last image of a class is called wrong"
			}
			return ""
		}},
		"all identical": {func() *planted {
			p := newPlanted(80, 2)
			for i := range p.labels {
				p.copyOf(i, 0, 0)
			}
			return p
		}, func(r *Result) string {
			if n := len(r.Of(SameOtherLabel)); n != 79 {
				return fmt.Sprintf("%d are the same under another label, expected 79", n)
			}
			return ""
		}},
		"all nearly identical": {func() *planted {
			p := newPlanted(500, 2)
			for i := 1; i < len(p.labels); i++ {
				p.copyOf(i, 0, 0)
				p.pictures[i][0], p.pictures[i][3] = byte(i), byte(i/256)
				p.features[i][0] += float32(i) / 1e4
			}
			return p
		}, nil},
		"few images": {func() *planted { return newPlanted(3, 2) }, func(r *Result) string { return unlessNoted(r, "labels were not judged") }},
		"most are dark": {func() *planted {
			p := newPlanted(40, 2)
			for i := range p.pictures {
				for j := range p.pictures[i] {
					p.pictures[i][j] /= 10
				}
			}
			return p
		}, func(r *Result) string { return unlessNoted(r, "40 of 40 images: so Dark pictures") }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := run(t, test.make().data(t))
			if test.want != nil {
				if wrong := test.want(r); wrong != "" {
					t.Error(wrong)
				}
			}
		})
	}
	t.Run("no features", func(t *testing.T) {
		p := newPlanted(40, 2)
		p.copyOf(9, 5, 0)
		p.pictures[9][30] ^= 1
		d := p.data(t)
		d.Features = nil
		r := run(t, d)
		if wrong := unlessNoted(r, "nothing is frozen"); wrong != "" || !slices.Equal(list(r, NearAcross), []string{"9 5"}) {
			t.Errorf("%s; near are %v", wrong, list(r, NearAcross))
		}
	})
	t.Run("no images", func(t *testing.T) {
		d := newPlanted(10, 2).data(t)
		d.Dataset.Rows = nil
		if _, err := Run(t.Context(), d, nil); err == nil || !strings.Contains(err.Error(), "no images") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("no number among the features", func(t *testing.T) {
		p := newPlanted(20, 2)
		for i := range p.features {
			p.features[i][3] = float32(math.Inf(1))
		}
		if _, err := Run(t.Context(), p.data(t), nil); err == nil || !strings.Contains(err.Error(), "none of the 20 features is finite") {
			t.Errorf("error %v", err)
		}
	})
}

func unlessNoted(r *Result, want string) string {
	if strings.Contains(strings.Join(r.Notes, "\n"), want) {
		return ""
	}
	return fmt.Sprintf("the notes do not say %q: %q", want, r.Notes)
}

// Sizes and shapes are those of the files.
func TestFiles(t *testing.T) {
	d := newPlanted(40, 2).data(t)
	d.Files = make([]File, 40)
	for i := range d.Files {
		d.Files[i] = File{Width: 500 + i, Height: 400}
	}
	d.Files[3] = File{Width: 20, Height: 15}
	d.Files[4] = File{Width: 1000, Height: 200}
	d.Files[5].Transparent = true
	d.Files[6] = File{} // which could not be read
	r := run(t, d)
	if got := list(r, OddSize); !slices.Equal(got, []string{"3"}) {
		t.Errorf("odd sizes %v", got)
	}
	if got := list(r, OddShape); !slices.Equal(got, []string{"4"}) {
		t.Errorf("odd shapes %v", got)
	}
	if got := list(r, Transparent); !slices.Equal(got, []string{"5"}) {
		t.Errorf("transparent %v", got)
	}
}
