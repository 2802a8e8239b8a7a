package decode

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"tlpipe/pipeline/sanitize"
	"tlpipe/stages/formats"
	"tlpipe/stages/wording"
)

// folderFile is a file or folder of an archive, below the folder that all stands in.
type folderFile struct {
	name  string // relative to that folder, in Unicode NFC
	entry int32  // in the archive
	dir   bool
	other bool // a file that is no picture
}

// picture says whether a file is a picture, as far as one knows before it is decoded.
func (f folderFile) picture() bool { return !f.dir && !f.other }

// layout is an archive of image folders, and the settings that say which of them are splits.
type layout struct {
	files   []folderFile
	splits  map[string]string // the folder of each; none: the usual ones
	exclude []string
}

// usualSplits are the folders that are taken where decode.splits says nothing, in small letters: Train is one as well.
var usualSplits = map[string]string{
	"train": formats.Train, "training": formats.Train,
	"val": formats.Val, "valid": formats.Val, "validation": formats.Val,
	"test": formats.Test, "testing": formats.Test,
}

// arrange finds the images of each split and class.
func (l layout) arrange() (*imageFolder, error) {
	f, splits := &imageFolder{}, l.splits
	left := func(f folderFile) bool { return Excluded(l.exclude, f.name) }
	files := slices.DeleteFunc(slices.Clone(l.files), left)
	if len(splits) == 0 {
		var err error
		if splits, files, err = f.findSplits(files); err != nil {
			return nil, err
		}
	} else {
		files = stripCommonFolders(files, splits[formats.Train])
	}
	files = slices.DeleteFunc(files, left) // patterns count from where the splits stand, too
	for _, split := range formats.Splits {
		folder, given := splits[split]
		if !given {
			continue
		}
		if folder != "." && !hasFolder(files, folder) {
			return nil, noFolder(split, folder, files)
		}
		if err := f.add(split, folder, files); err != nil {
			err.splits = splits
			return nil, err
		}
	}
	return f, nil
}

func noFolder(split, folder string, files []folderFile) *layoutError {
	if err := notOfClasses(files); err != nil {
		return err
	}
	wrong := fmt.Sprintf("no folder %q in the archive, which has %s", folder, listFolders(files))
	if split != formats.Train {
		wrong = fmt.Sprintf("no folder %q in the archive, which decode.splits takes as %s; it has %s", folder, split, listFolders(files))
	}
	return &layoutError{wrong: wrong, search: true,
		advice: "set decode.splits, such as {train: FOLDER, test: FOLDER}, or {train: .} for a folder of classes without splits, and then normalize.split.test, such as 0.2, for a test split"}
}

// findSplits finds the usual folders; where there are none, a folder of classes is all for training. It also gives the
// files below the folder that all stands in.
func (f *imageFolder) findSplits(files []folderFile) (map[string]string, []folderFile, error) {
	for inner := files; inner != nil; inner = enterCommonFolder(inner) {
		splits, err := f.usualFolders(inner)
		if err != nil || splits[formats.Train] != "" {
			return splits, inner, err
		}
	}
	files = stripCommonFolders(files, ".")
	tops := topFolders(files)
	for _, top := range tops {
		if !top.flat || usualSplits[strings.ToLower(top.name)] != "" || len(tops) < 2 {
			return nil, nil, noFolder(formats.Train, formats.Train, files)
		}
	}
	if len(tops) == 0 {
		return nil, nil, noFolder(formats.Train, formats.Train, files)
	}
	f.notes = append(f.notes, fmt.Sprintf("there is no folder %q: the %d folders of the archive are taken as classes, all for training (decode.splits: {train: .})", formats.Train, len(tops)))
	return map[string]string{formats.Train: "."}, files, nil
}

// usualFolders gives the splits among the folders on top.
func (f *imageFolder) usualFolders(files []folderFile) (map[string]string, error) {
	splits, rest := map[string]string{}, []string{}
	tops := topFolders(files)
	for _, top := range tops {
		split := usualSplits[strings.ToLower(top.name)]
		switch {
		case split == "":
			rest = append(rest, top.name)
		case splits[split] != "":
			return nil, &layoutError{wrong: fmt.Sprintf("both %q and %q may be the split %s", splits[split], top.name, split),
				advice: "say which is, as in decode.splits: " + FlowSplits(map[string]string{formats.Train: cmp.Or(splits[formats.Train], formats.Train), split: splits[split]})}
		default:
			splits[split] = top.name
		}
	}
	if splits[formats.Train] != "" && len(rest) > 0 {
		f.notes = append(f.notes, wording.Named("folder", rest)+wording.Plural(len(rest), " is", " are")+" in no split and left out (decode.splits says which are)")
	}
	return splits, nil
}

// classFolder is a class as one split has it.
type classFolder struct {
	pictures []folderFile
	flat     bool // a picture stands in it, and not in a folder within
	noted    bool // something stands in it that is no picture
}

// add takes in the class folders of a split.
func (f *imageFolder) add(split, dir string, files []folderFile) *layoutError {
	classes, pictures := map[string]*classFolder{}, 0
	for _, file := range files {
		rest, inside := below(dir, file.name)
		if !inside {
			continue
		}
		name, inner, deeper := strings.Cut(rest, "/")
		if !deeper && !file.dir {
			f.loose = append(f.loose, file.name)
			continue
		}
		if classes[name] == nil {
			classes[name] = &classFolder{}
		}
		switch c := classes[name]; {
		case file.dir:
		case file.other:
			f.others, c.noted = append(f.others, file.name), true
		default:
			c.pictures, c.flat = append(c.pictures, file), c.flat || !strings.Contains(inner, "/")
			pictures++
		}
	}
	if len(classes) == 0 || pictures == 0 && split != formats.Train {
		return &layoutError{wrong: fmt.Sprintf("folder %q holds no class folders", dir), search: true, split: split,
			advice: "images are expected at " + path.Join(dir, "CLASS/FILE")}
	}
	names := slices.Sorted(maps.Keys(classes))
	if err := f.judge(split, dir, names, classes); err != nil {
		return err
	}
	f.items, f.entries = slices.Grow(f.items, pictures), slices.Grow(f.entries, pictures)
	for class, name := range f.names {
		if c := classes[name]; c != nil {
			slices.SortFunc(c.pictures, func(a, b folderFile) int { return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.entry, b.entry)) })
			for _, file := range c.pictures {
				f.items, f.entries = append(f.items, imageItem{sanitize.UTF8(file.name), split, int32(class)}), append(f.entries, file.entry)
			}
		}
	}
	return nil
}

// judge takes the classes of train, of which none may be without pictures, and holds those of other splits to them.
func (f *imageFolder) judge(split, dir string, names []string, classes map[string]*classFolder) *layoutError {
	var wrong []string // folders
	find := func(is func(name string, c *classFolder) bool) bool {
		for _, name := range names {
			if is(name, classes[name]) {
				wrong = append(wrong, path.Join(dir, name))
			}
		}
		return len(wrong) > 0
	}
	if split != formats.Train {
		if find(func(name string, c *classFolder) bool { return f.train[name] == nil && len(c.pictures) > 0 }) {
			advice := "add images of it to train"
			for name := range f.train {
				if strings.EqualFold(name, path.Base(wrong[0])) {
					advice = fmt.Sprintf("train has %q: give both the same name", name)
				}
			}
			return &layoutError{wrong: wording.Named("folder", wrong) + wording.Plural(len(wrong), " is a class", " are classes") + " that train does not have",
				advice: advice, search: true, exclude: wrong, split: split}
		}
		return nil
	}
	f.train, f.names = classes, names
	if find(func(_ string, c *classFolder) bool { return len(c.pictures) == 0 }) {
		what := wording.Plural(len(wrong), " is empty", " are empty")
		if slices.ContainsFunc(names, func(name string) bool { return len(classes[name].pictures) == 0 && classes[name].noted }) {
			what = wording.Plural(len(wrong), " holds no pictures", " hold no pictures")
		}
		return &layoutError{wrong: wording.Named("class folder", wrong) + what, advice: "add images", search: true, exclude: wrong}
	}
	return nil
}

// stripCommonFolders drops the folders that everything stands in, such as hymenoptera_data, until the train folder is on
// top; if that is the whole archive ("."), while the folder within is not yet one of classes.
func stripCommonFolders(files []folderFile, train string) []folderFile {
	for train == "." || !hasFolder(files, train) {
		inner := enterCommonFolder(files)
		if inner == nil || train == "." && topFolders(files)[0].flat {
			return files
		}
		files = inner
	}
	return files
}

// enterCommonFolder gives what is below the one folder that all pictures stand in; nil if there is none.
func enterCommonFolder(files []folderFile) (inner []folderFile) {
	tops := topFolders(files)
	if len(tops) != 1 {
		return nil
	}
	for _, f := range files {
		if rest, inside := below(tops[0].name, f.name); inside {
			inner = append(inner, folderFile{rest, f.entry, f.dir, f.other})
		}
	}
	return inner
}

// topFolder is a folder that stands in no other.
type topFolder struct {
	name     string
	pictures bool
	flat     bool // a picture stands in it, and not in a folder within
}

// topFolders gives them by name: those that hold pictures, or else all.
func topFolders(files []folderFile) []topFolder {
	found, pictures := map[string]topFolder{}, false
	for _, f := range files {
		name, inner, deeper := strings.Cut(f.name, "/")
		if !deeper && !f.dir {
			continue
		}
		top := found[name]
		if top.name = name; f.picture() {
			top.pictures, top.flat, pictures = true, top.flat || !strings.Contains(inner, "/"), true
		}
		found[name] = top
	}
	var tops []topFolder
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if found[name].pictures || !pictures {
			tops = append(tops, found[name])
		}
	}
	return tops
}

// below returns a name relative to dir, if it lies in it.
func below(dir, name string) (string, bool) {
	if dir == "." {
		return name, true
	}
	rest, ok := strings.CutPrefix(name, dir+"/")
	return rest, ok
}

func hasFolder(files []folderFile, dir string) bool {
	return slices.ContainsFunc(files, func(f folderFile) bool {
		_, inside := below(dir, f.name)
		return inside || (f.dir && f.name == dir)
	})
}
