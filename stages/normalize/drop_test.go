package normalize

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tlpipe/pipeline"
	"tlpipe/stages/formats"
	"tlpipe/stages/stagetest"
)

func TestDrop(t *testing.T) {
	source := stagetest.WriteImages(t, 3)
	in := pipeline.Inputs{formats.ImagesType: source}
	images, err := formats.OpenImages(source.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer images.Close()
	samples, err := images.Samples()
	if err != nil {
		t.Fatal(err)
	}
	row := func(row int, mark string) string {
		return samples[row].Path + "," + formats.ContentID(images.Pixels.Row(row)) + "," + mark + "\n"
	}
	write := func(lines ...string) *Settings {
		path := filepath.Join(t.TempDir(), "audit.csv")
		if err := os.WriteFile(path, []byte("path,content,drop\n"+strings.Join(lines, "")), 0o644); err != nil {
			t.Fatal(err)
		}
		return &Settings{Mode: "caffe", Split: Split{Val: 0.2}, Drop: path}
	}
	made := func(s *Settings) (*formats.Dataset, error) {
		job, _ := stagetest.NewJob(t, in)
		if err := Stage(s, func(string) error { return nil }).Run(t.Context(), job); err != nil {
			return nil, err
		}
		return formats.OpenDataset(job.Out)
	}
	key := func(s *Settings) string {
		lines, err := Stage(s, nil).Key(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		for _, l := range lines {
			text.WriteString(l.Name + " " + l.Value + "\n")
		}
		return text.String()
	}
	whole, err := made(&Settings{Mode: "caffe", Split: Split{Val: 0.2}})
	if err != nil {
		t.Fatal(err)
	}
	fewer, err := made(write(row(0, "yes"), row(3, ""), row(112, "x")))
	if err != nil {
		t.Fatal(err)
	}
	if fewer.Dropped != 2 {
		t.Errorf("%d images are left out", fewer.Dropped)
	}
	for split, rows := range whole.Rows {
		want := slices.DeleteFunc(slices.Clone(rows), func(row int64) bool { return row == 0 || row == 112 })
		if !slices.Equal(fewer.Rows[split], want) {
			t.Errorf("%s has %v, want %v: the others stay where they were", split, fewer.Rows[split], want)
		}
	}

	// The key names what is left out, not the file, its order or what else it says.
	none := key(&Settings{Mode: "caffe", Split: Split{Val: 0.2}})
	if got := key(write(row(0, ""))); got != none {
		t.Errorf("nothing is left out, but the key is\n%s", got)
	}
	one, other := key(write(row(0, "yes"), row(3, "yes"))), key(write(row(3, "x"), row(5, "no"), row(0, "1")))
	if one != other || one == none {
		t.Errorf("keys of the same images:\n%s\n%s", one, other)
	}

	var class []string
	for i := range samples {
		if samples[i].Class == "dark" {
			class = append(class, row(i, "yes"))
		}
	}
	for name, test := range map[string]struct {
		list *Settings
		want string
	}{
		"unknown path":  {write(strings.Replace(row(0, "yes"), "train/", "other/", 1)), `:2: other/dark/0.png is not among the decoded images: the list was made for other data`},
		"other pixels":  {write(strings.Replace(row(0, "yes"), formats.ContentID(images.Pixels.Row(0)), "px-0123", 1)), `:2: train/dark/0.png has other pixels now`},
		"a whole class": {write(class...), `leaves no image of "dark" to train on`},
		"no file":       {&Settings{Mode: "caffe", Drop: "/nowhere/audit.csv"}, "/nowhere/audit.csv"},
	} {
		if _, err := made(test.list); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
	}
}
