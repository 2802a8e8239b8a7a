package decode

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"tlpipe/pipeline/progress"
	"tlpipe/stages/formats"
	"tlpipe/stages/machine"
)

// pictures are small ones of these names, each another; a name with a | is followed by its content, one that ends in / is a
// folder.
func pictures(t testing.TB, names ...string) []archiveFile {
	var files []archiveFile
	for i, name := range names {
		name, content, given := strings.Cut(name, "|")
		data := []byte(content)
		if !given && !strings.HasSuffix(name, "/") {
			data = tinyPNG(t, 4, 4, i+1)
		}
		files = append(files, archiveFile{name, data})
	}
	return files
}

// warned collects what a stage warns of.
type warned struct{ texts []string }

func (w *warned) Handle(e progress.Event) {
	if e.Type == progress.Warning {
		w.texts = append(w.texts, e.Text)
	}
}

// samplesOf decodes files and gives its rows as "split class path", and the warnings.
func samplesOf(t testing.TB, s *Settings, files []archiveFile) (rows []string, warnings string, err error) {
	t.Helper()
	job := decodeJob(t, map[string][]byte{"archive": packTarGz(t, files)})
	w := &warned{}
	job.Progress = progress.NewReporter("decode", w)
	if err := Stage(s, machine.Resources{}).Run(t.Context(), job); err != nil {
		return nil, "", err
	}
	m := opened(t, job.Out)
	samples, err := m.Samples()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range samples {
		rows = append(rows, s.Split+" "+s.Class+" "+s.Path)
	}
	return rows, strings.Join(w.texts, "\n"), nil
}

func TestDecodeLayouts(t *testing.T) {
	type splits = map[string]string
	for _, c := range []struct {
		name     string
		settings Settings
		files    []string
		want     []string
		warning  string // a part; "-": none
	}{
		{"own val", Settings{}, []string{"set/val/a/1.png", "set/train/b/2.png", "set/train/a/3.png", "set/test/b/4.png", "set/val/b/5.png"},
			[]string{"train a train/a/3.png", "train b train/b/2.png", "val a val/a/1.png", "val b val/b/5.png", "test b test/b/4.png"}, "-"},
		{"valid", Settings{}, []string{"train/a/1.png", "train/b/2.png", "valid/a/3.png"}, []string{"train a train/a/1.png", "train b train/b/2.png", "val a valid/a/3.png"}, "-"},
		{"other cases of letters", Settings{}, []string{"x/Training/a/1.png", "x/Training/b/2.png", "x/TESTING/b/4.png", "x/Validation/a/3.png"},
			[]string{"train a Training/a/1.png", "train b Training/b/2.png", "val a Validation/a/3.png", "test b TESTING/b/4.png"}, "-"},
		{"val as test", Settings{Splits: splits{"train": "train", "test": "val"}}, []string{"train/a/1.png", "val/a/2.png"}, []string{"train a train/a/1.png", "test a val/a/2.png"}, "-"},
		{"all three given", Settings{Splits: splits{"train": "t", "val": "v/", "test": "./e/x"}}, []string{"e/x/a/1.png", "t/a/2.png", "v/a/3.png"},
			[]string{"train a t/a/2.png", "val a v/a/3.png", "test a e/x/a/1.png"}, "-"},
		{"rest", Settings{}, []string{"train/a/1.png", "train/b/1.png", "test/a/2.png", "pred/3.png", "more/a/4.png", "notes/x.txt|x"},
			[]string{"train a train/a/1.png", "train b train/b/1.png", "test a test/a/2.png"}, `folders "more", "pred" are in no split`},
		{"empty val", Settings{}, []string{"train/a/1.png", "train/b/1.png", "val/", "test/a/1.png", "test/b/", "test/c/"},
			[]string{"train a train/a/1.png", "train b train/b/1.png", "test a test/a/1.png"}, "-"},
		{"classes on top", Settings{}, []string{"cat/1.png", "dog/2.png", "dog/more/3.png", "README|x"}, []string{"train cat cat/1.png", "train dog dog/2.png", "train dog dog/more/3.png"}, "are taken as classes"},
		{"wrapped classes", Settings{}, []string{"photos/cat/1.png", "photos/dog/2.png", "photos/LICENSE.txt|x"}, []string{"train cat cat/1.png", "train dog dog/2.png"}, "are taken as classes"},
		{"wrapped classes, set", Settings{Splits: splits{"train": "."}}, []string{"a/b/cat/1.png", "a/b/dog/2.png", "a/b/LICENSE.txt|x", "docs/readme.md|x"}, []string{"train cat cat/1.png", "train dog dog/2.png"}, "1 file outside the class folders is left out"},
		{"a class called train", Settings{Splits: splits{"train": "."}}, []string{"car/1.png", "train/2.png"}, []string{"train car car/1.png", "train train train/2.png"}, "-"},
		{"folders in classes", Settings{}, []string{"train/a/x/1.png", "train/a/y/2.png", "train/b/x/3.png"}, []string{"train a train/a/x/1.png", "train a train/a/y/2.png", "train b train/b/x/3.png"},
			`only folders, such as "train/a/x": the classes are "a", "b", and not what they hold`},
		{"junk", Settings{}, []string{"train/a/1.png", "train/@eaDir/x.png", "train/a/@eaDir/1.png/thumb.png", "train/.ipynb_checkpoints/1.png", "lost+found/", "$RECYCLE.BIN/x/y.png",
			"System Volume Information/x", "__MACOSX/train/a/._1.png", "train/a/._1.png", "train/a/.DS_Store", "train/a/thumbs.DB", "train/b/Desktop.ini", "train/b/2.png", "#recycle/a/1.png",
			".git/x/1.png", "train/__pycache__/x.pyc", ".Trash-1000/files/1.png", "@Recycle/1.png", "train/a/Icon\r"}, []string{"train a train/a/1.png", "train b train/b/2.png"}, "-"},
		{"notes beside pictures", Settings{}, []string{"train/a/1.png", "train/a/1.json|{}", "train/a/1.XML|<a/>", "train/b/2.png", "train/b/labels.csv|x,y", "train/b/3.txt|text", "train/a/README.md|# a"},
			[]string{"train a train/a/1.png", "train b train/b/2.png"}, "5 files in class folders are no pictures and left out"},
		{"a picture with an odd name", Settings{}, []string{"train/a/1.txt", "train/b/2"}, []string{"train a train/a/1.txt", "train b train/b/2"}, "-"},
		{"Unicode in two forms", Settings{}, []string{"train/Cafe\u0301/1.png", "train/x/2.png", "test/Caf\u00e9/3.png"},
			[]string{"train Caf\u00e9 train/Caf\u00e9/1.png", "train x train/x/2.png", "test Caf\u00e9 test/Caf\u00e9/3.png"}, "-"},
		{"one class in two forms", Settings{}, []string{"train/Cafe\u0301/2.png", "train/Caf\u00e9/1.png", "train/Caf\u00e9/2.png", "train/x/1.png"},
			[]string{"train Caf\u00e9 train/Caf\u00e9/1.png", "train Caf\u00e9 train/Caf\u00e9/2.png", "train Caf\u00e9 train/Caf\u00e9/2.png", "train x train/x/1.png"}, `folder "train/Café" is there twice`},
		{"settings in the other form", Settings{Splits: splits{"train": "e\u0301"}, Exclude: []string{"\u00fc.png"}}, []string{"\u00e9/a/1.png", "\u00e9/b/2.png", "\u00e9/a/u\u0308.png"},
			[]string{"train a \u00e9/a/1.png", "train b \u00e9/b/2.png"}, "-"},
		{"case of class names", Settings{}, []string{"train/cat/1.png", "train/Cat/2.png"}, []string{"train Cat train/Cat/2.png", "train cat train/cat/1.png"}, `"Cat" and "cat" differ in the case`},
		{"excluded around", Settings{Exclude: []string{"docs"}}, []string{"docs/a.png", "x/train/a/1.png", "x/train/b/2.png"}, []string{"train a train/a/1.png", "train b train/b/2.png"}, "-"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.settings.Format, c.settings.MaxRejected = "image-folder", 0.01
			rows, warnings, err := samplesOf(t, &c.settings, pictures(t, c.files...))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, rows); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			if c.warning == "-" && warnings != "" || c.warning != "-" && !strings.Contains(warnings, c.warning) {
				t.Errorf("warnings %q, want %q", warnings, c.warning)
			}
		})
	}
}

var advisedSetting = regexp.MustCompile(`decode\.(splits|exclude): (\{[^}]*\}|\[[^\n]*\])`)

// What the errors advise is tried: with it, the same archive can be read.
func TestDecodeLayoutAdvice(t *testing.T) {
	type splits = map[string]string
	for _, c := range []struct {
		name     string
		settings Settings
		files    []string
		want     string // a part of the error
		advice   string // the setting in it
		classes  []string
	}{
		{"wrapped in data", Settings{Splits: splits{"train": "data"}}, []string{"data/train/cat/1.png", "data/train/dog/2.png", "data/test/cat/3.png"},
			`the classes would be "test", "train", which look like splits`, "decode.splits: {train: data/train, test: data/test}", []string{"cat", "dog"}},
		{"splits taken for classes", Settings{Splits: splits{"train": "."}}, []string{"data/train/cat/1.png", "data/train/dog/2.png", "data/val/cat/3.png", "data/test/cat/3.png"},
			"which look like splits", "decode.splits: {train: data/train, val: data/val, test: data/test}", []string{"cat", "dog"}},
		{"a wrapper that became the class", Settings{}, []string{"train/images/cat/1.png", "train/images/dog/2.png", "test/images/cat/3.png", "test/images/dog/3.png"},
			`the only class would be "images", which holds only folders`, "decode.splits: {train: train/images, test: test/images}", []string{"cat", "dog"}},
		{"Intel's", Settings{}, []string{"seg_train/seg_train/sea/1.png", "seg_train/seg_train/street/2.png", "seg_test/seg_test/sea/3.png", "seg_pred/seg_pred/4.png"},
			`no folder "train" in the archive, which has the folders seg_pred, seg_test, seg_train`, "decode.splits: {train: seg_train/seg_train, test: seg_test/seg_test}", []string{"sea", "street"}},
		{"Intel's, half way", Settings{Splits: splits{"train": "seg_train", "test": "seg_test"}}, []string{"seg_train/seg_train/sea/1.png", "seg_train/seg_train/street/2.png", "seg_test/seg_test/sea/3.png"},
			"is a class that train does not have", "decode.splits: {train: seg_train/seg_train, test: seg_test/seg_test}", []string{"sea", "street"}},
		{"two on top", Settings{}, []string{"data/train/cat/1.png", "data/train/dog/2.png", "data/test/cat/3.png", "more/x/3.png"},
			`no folder "train"`, "decode.splits: {train: data/train, test: data/test}", []string{"cat", "dog"}},
		{"training_set", Settings{}, []string{"d/training_set/cat/1.png", "d/training_set/dog/2.png", "d/test_set/dog/3.png"}, `no folder "train"`,
			"decode.splits: {train: d/training_set, test: d/test_set}", []string{"cat", "dog"}},
		{"other name", Settings{Splits: splits{"train": "train", "test": "test"}}, []string{"Train/a/1.png", "Train/b/1.png", "Test/a/2.png"}, `no folder "train"`,
			"decode.splits: {train: Train, test: Test}", []string{"a", "b"}},
		{"no such test", Settings{Splits: splits{"train": "train", "test": "tset"}}, []string{"train/a/1.png", "train/b/1.png", "valid/a/2.png"}, "which decode.splits takes as test",
			"decode.splits: {train: train, val: valid}, and normalize.split.test, such as 0.2", []string{"a", "b"}},
		{"classes beside others", Settings{}, []string{"photos/cat/1.png", "photos/dog/2.png", "scans/3.png"}, `no folder "train"`,
			"decode.splits: {train: photos}, and normalize.split.test, such as 0.2", []string{"cat", "dog"}},
		{"a class called train", Settings{}, []string{"car/1.png", "train/2.png", "bus/3.png"}, `folder "train" holds no class folders`,
			"decode.splits: {train: .}, and normalize.split.test", []string{"bus", "car", "train"}},
		{"test without labels", Settings{}, []string{"train/cat/1.png", "train/dog/2.png", "test/3.png"}, `folder "test" holds no class folders`,
			"decode.splits: {train: train}, and normalize.split.test", []string{"cat", "dog"}},
		{"test of unknown class", Settings{}, []string{"train/cat/1.png", "train/dog/2.png", "test/unknown/3.png"}, `folder "test/unknown" is a class that train does not have`,
			"decode.exclude: [test/unknown], and normalize.split.test", []string{"cat", "dog"}},
		{"two tests", Settings{}, []string{"train/cat/1.png", "train/dog/2.png", "test/dog/3.png", "Testing/dog/3.png"}, `both "Testing" and "test" may be the split test`,
			"decode.splits: {train: train, test: Testing}", []string{"cat", "dog"}},
		{"empty classes", Settings{Exclude: []string{"*.gif"}}, []string{"train/a/1.png", "train/b/", "train/c/notes.txt|x", "train/[d]/x.gif", "train/[d]/", "train/e/2.png"},
			`class folders "train/[d]", "train/b", "train/c" hold no pictures; add images, or leave them out`, `decode.exclude: ['*.gif', 'train/\[d]', train/b, train/c]`, []string{"a", "e"}},
		{"an empty class on top", Settings{Splits: splits{"train": "."}}, []string{"a/1.png", "b/2.png", "c/"}, `class folder "c" is empty; add images, or leave it out`, `decode.exclude: [/c]`, []string{"a", "b"}},
		{"unknown classes after an empty one", Settings{}, []string{"train/a/1.png", "train/b/1.png", "train/c/", "test/a/1.png", "test/d/1.png"},
			`class folder "train/c" is empty`, `decode.exclude: [train/c, test/d]`, []string{"a", "b"}},
		{"class in another case", Settings{}, []string{"train/a/1.png", "train/b/1.png", "test/a/1.png", "test/B/1.png"}, `train has "b": give both the same name`, `decode.exclude: [test/B]`, []string{"a", "b"}},
		{"odd names", Settings{Splits: splits{"train": "x"}}, []string{"a, b: c/train/a/1.png", "a, b: c/train/b/1.png", "y/1.png"}, `no folder "x"`, `decode.splits: {train: 'a, b: c/train'}`, []string{"a", "b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.settings.Format, c.settings.MaxRejected = "image-folder", 0.01
			files := pictures(t, c.files...)
			_, _, err := samplesOf(t, &c.settings, files)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.advice) {
				t.Fatalf("got %v\nwant %q and %q", err, c.want, c.advice)
			}
			found := advisedSetting.FindStringSubmatch(err.Error())
			if found == nil {
				t.Fatalf("no setting in %v", err)
			}
			advised := fmt.Sprintf("%s: %s", found[1], found[2])
			changed := c.settings
			if found[1] == "splits" {
				changed.Splits = nil // a mapping replaces the one before
			}
			if err := yaml.Unmarshal([]byte(advised), &changed); err != nil {
				t.Fatalf("%s: %v", advised, err)
			}
			changed.Problems(func(path, format string, args ...any) {
				t.Errorf("%s: %s: %s", advised, path, fmt.Sprintf(format, args...))
			})
			rows, _, err := samplesOf(t, &changed, files)
			if err != nil {
				t.Fatalf("%s: %v", advised, err)
			}
			var classes []string
			for _, row := range rows {
				classes = append(classes, strings.Fields(row)[1])
			}
			slices.Sort(classes)
			if classes = slices.Compact(classes); !slices.Equal(classes, c.classes) {
				t.Errorf("%s gives the classes %q", advised, classes)
			}
		})
	}
}

// The patterns that an error about unreadable images gives leave out those, and nothing else.
func TestDecodeExcludingRejected(t *testing.T) {
	for _, c := range []struct{ files, patterns string }{
		{"a/1.svg a/2.svg b/3.SVG", ": ['*.svg', '*.SVG']"}, {"a/1.svg a/1.PNG", ""}, {"a/1", ""},
	} {
		var rejected []formats.Rejected
		for name := range strings.FieldsSeq(c.files) {
			rejected = append(rejected, formats.Rejected{Path: name, Reason: "it is broken"})
		}
		if got := excludingRejected(rejected); got != c.patterns {
			t.Errorf("%s: %s, want %s", c.files, got, c.patterns)
		}
	}
	s := &Settings{Format: "image-folder", MaxRejected: 0.01}
	files := pictures(t, "train/a/1.png", "train/b/2.png", "train/a/x.svg|<svg/>", "train/b/y.psd|8BPS")
	_, _, err := samplesOf(t, s, files)
	if want := "decode.exclude: ['*.svg', '*.psd'],"; err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("got %v, want %q", err, want)
	}
	s.Exclude = []string{"*.svg", "*.psd"}
	if rows, _, err := samplesOf(t, s, files); err != nil || len(rows) != 2 {
		t.Errorf("with that: %q, %v", rows, err)
	}
}

// Without a way that is clear, all that is needed is named at once.
func TestDecodeLayoutUnclear(t *testing.T) {
	for name, files := range map[string][]string{
		"flat":                           {"1.png", "2.png"},
		"flat folders":                   {"train/1.png", "test/2.png"},
		"classes and an unlabelled test": {"cat/1.png", "dog/2.png", "test/3.png"},
		"deep classes":                   {"cat/x/1.png", "cat/y/1.png", "dog/x/2.png", "dog/y/2.png"},
		"nothing":                        {"notes.txt|x"},
	} {
		_, _, err := samplesOf(t, &Settings{Format: "image-folder"}, pictures(t, files...))
		if err == nil || !strings.Contains(err.Error(), "CLASS/FILE") && !(strings.Contains(err.Error(), "decode.splits") && strings.Contains(err.Error(), "normalize.split.test")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What no setting makes into folders of classes is called what it is.
func TestDecodeUnlikeFoldersOfClasses(t *testing.T) {
	for want, files := range map[string][]string{
		`no pictures in the archive, but other archives: "train.zip", "test.zip"; unpack them`:                                {"data/train.zip|x", "data/test.zip|x"},
		`the splits "test", "train" stand in the folders of the classes; turn that round: cat/test becomes test/cat`:          {"cat/train/1.png", "cat/test/2.png", "dog/train/3.png", "dog/test/4.png"},
		`pictures in the archive, but no folders: the folder that a picture stands in is its class; put the pictures`:         {"1.png", "2.png"},
		"devices or unsafe names in the archive are left out, such as \"/train/a/1.png\"; if those are the images, pack them": {"/train/a/1.png", "/train/b/1.png"},
	} {
		_, _, err := samplesOf(t, &Settings{Format: "image-folder"}, pictures(t, files...))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", files, err, want)
		}
	}
}

// A class whose folder is hidden is not lost in silence; what programs hide is.
func TestDecodeHiddenClass(t *testing.T) {
	_, warnings, err := samplesOf(t, &Settings{Format: "image-folder"}, pictures(t, "train/a/1.png", "train/b/2.png", "train/.c/3.png", "train/a/.ipynb_checkpoints/1.png", "train/a/.4.png", "train/.Trash-1000/5.png"))
	if want := `1 picture in a folder whose name begins with a dot is left out, such as "train/.c/3.png"`; err != nil || !strings.Contains(warnings, want) {
		t.Errorf("warnings %q, error %v; want %q", warnings, err, want)
	}
}

// Whatever the names in an archive, finding its images ends, in images or in advice.
func FuzzLayout(f *testing.F) {
	f.Add("train/a/1.png\ntrain/b/2.png\ntest/a/3.png", "", "")
	f.Add("seg_train/seg_train/a/1.png\nseg_train/seg_train/b/2.png\nseg_test/seg_test/a/3.png", "", "")
	f.Add("data/train/a/1.png\ndata/train/b/1.png\ndata/val/a/\ndata/test/c/2.txt", "data", "test")
	f.Add("a/1.png\nb/", ".", "")
	f.Fuzz(func(t *testing.T, names, train, exclude string) {
		l := layout{splits: map[string]string{}}
		for i, name := range strings.Split(names, "\n") {
			if clean := path.Clean(name); clean != "." && !path.IsAbs(clean) && !strings.HasPrefix(clean, "..") {
				l.files = append(l.files, folderFile{clean, int32(i), strings.HasSuffix(name, "/"), noPictures[path.Ext(clean)]})
			}
		}
		if train != "" {
			l.splits[formats.Train] = path.Clean(train)
		}
		if exclude != "" {
			l.exclude = []string{exclude}
		}
		images, err := l.arrange()
		if err != nil {
			if l.advised(err).Error() == "" {
				t.Error("nothing is said")
			}
			return
		}
		_ = l.checkWrapped(images)
		images.noteNested()
		if len(images.items) != len(images.entries) || len(images.names) == 0 {
			t.Errorf("%d images, %d entries, classes %q", len(images.items), len(images.entries), images.names)
		}
	})
}
