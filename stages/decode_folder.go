package stages

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"tlpipe/stages/archivefs"
	"tlpipe/stages/imagefile"
)

// folderFile is a file or folder of an archive, below the folder that all stands in.
type folderFile struct {
	name  string // relative to that folder
	entry int
	dir   bool
}

// openFolder finds the images of an archive laid out as SPLIT/CLASS/…/FILE. Classes are sorted by their bytes.
func openFolder(archive *archivefs.Archive, s *Decode, opts imagefile.Options) (*imageSource, error) {
	splits := s.Splits
	optionalTest := len(splits) == 0
	if optionalTest {
		splits = map[string]string{"train": "train", "test": "test"}
	}
	var files []folderFile
	for i, e := range archive.Entries {
		if !junk(e.Name) {
			files = append(files, folderFile{e.Name, i, e.Dir})
		}
	}
	train := path.Clean(splits["train"])
	files = stripCommonFolders(files, train)
	if train != "." && !hasFolder(files, train) {
		return nil, fmt.Errorf("no folder %q in the archive, which has %s; set decode.splits, such as {train: FOLDER, test: FOLDER}, or {train: .} for a folder of classes without splits",
			train, listFolders(files))
	}
	files = slices.DeleteFunc(files, func(f folderFile) bool { return excluded(s.Exclude, f.name) })

	f := imageFolder{classes: map[string]int32{}}
	for _, split := range []string{"train", "test"} {
		name, ok := splits[split]
		if !ok {
			continue
		}
		name = path.Clean(name)
		if !hasFolder(files, name) && name != "." {
			if split == "test" && optionalTest {
				continue
			}
			return nil, fmt.Errorf("no folder %q in the archive, which decode.splits takes as %s; it has %s", name, split, listFolders(files))
		}
		if err := f.add(split, name, files); err != nil {
			return nil, err
		}
	}
	return f.source(archive, opts), nil
}

// folder collects the images of the splits.
type imageFolder struct {
	classes map[string]int32 // of train; numbered in the order of their names
	names   []string
	items   []imageItem
	entries []int // of each item, in the archive
	loose   []string
}

// add takes in the class folders of a split.
func (f *imageFolder) add(split, dir string, files []folderFile) error {
	type image struct {
		class string
		file  folderFile
	}
	var images []image
	count := map[string]int{}
	for _, file := range files {
		rest, inside := below(dir, file.name)
		if !inside {
			continue
		}
		class, _, deeper := strings.Cut(rest, "/")
		switch {
		case file.dir || deeper:
			count[class] += 0
		default:
			f.loose = append(f.loose, file.name)
			continue
		}
		if !file.dir {
			count[class]++
			images = append(images, image{class, file})
		}
	}
	if len(count) == 0 {
		return fmt.Errorf("folder %q holds no class folders; images are expected at %s", dir, path.Join(dir, "CLASS/FILE"))
	}
	for _, class := range slices.Sorted(maps.Keys(count)) {
		if _, known := f.classes[class]; !known && split != "train" {
			return fmt.Errorf("folder %q is a class that train does not have; add images of it to train, or leave it out with decode.exclude", path.Join(dir, class))
		}
		if count[class] == 0 {
			return fmt.Errorf("class folder %q is empty; add images, or leave it out with decode.exclude", path.Join(dir, class))
		}
		if split == "train" {
			f.classes[class] = int32(len(f.names))
			f.names = append(f.names, class)
		}
	}
	slices.SortFunc(images, func(a, b image) int {
		return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(a.file.name, b.file.name))
	})
	for _, m := range images {
		f.items = append(f.items, imageItem{m.file.name, split, f.classes[m.class]})
		f.entries = append(f.entries, m.file.entry)
	}
	return nil
}

func (f *imageFolder) source(archive *archivefs.Archive, opts imagefile.Options) *imageSource {
	buffers := sync.Pool{New: func() any { return new([][]byte) }}
	src := &imageSource{
		classes: f.names,
		items:   f.items,
		close:   archive.Close,
		read: func(from int, results []readResult) {
			for len(results) > 0 {
				n := f.together(archive, from, len(results))
				files := buffers.Get().(*[][]byte)
				*files = slices.Grow((*files)[:0], n)[:n]
				readFiles(archive, f.entries[from:from+n], *files, results[:n], opts)
				buffers.Put(files)
				from, results = from+n, results[n:]
			}
		},
	}
	if n := len(f.loose); n > 0 {
		src.notes = append(src.notes, fmt.Sprintf("%d files stand outside the class folders and are left out, such as %q", n, f.loose[0]))
	}
	return src
}

// together is how many of the next n files to hold at once: one, or as many as are small.
func (f *imageFolder) together(archive *archivefs.Archive, from, n int) int {
	const most = 256 << 10 // bytes
	total := int64(0)
	for i, entry := range f.entries[from : from+n] {
		if total += archive.Entries[entry].Size; total > most {
			return max(i, 1)
		}
	}
	return n
}

// readFiles decodes entries of the archive, which it reads into the memory of buffers.
func readFiles(archive *archivefs.Archive, entries []int, buffers [][]byte, results []readResult, opts imagefile.Options) {
	var files [][]byte
	var at []int // where in results
	for i, entry := range entries {
		data, err := archive.Read(entry, buffers[i])
		if err != nil {
			results[i] = readResult{err: err}
			continue
		}
		buffers[i] = data
		files, at = append(files, data), append(at, i)
	}
	images := make([]imagefile.Image, len(files))
	for k, i := range at {
		images[k].Pix = results[i].picture.pix
	}
	for k, err := range imagefile.DecodeAll(files, images, opts) {
		m := images[k]
		results[at[k]] = readResult{picture{[3]int{m.Height, m.Width, 3}, m.Pix}, err}
	}
}

// junk says whether a name is none of the data set's: hidden, or left by a desktop.
func junk(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") || part == "__MACOSX" {
			return true
		}
	}
	base := path.Base(name)
	return base == "Thumbs.db" || base == "desktop.ini"
}

// stripCommonFolders drops the folders that everything stands in, such as hymenoptera_data, until the train folder is on
// top; if that is the whole archive ("."), while the folder within is not yet one of classes.
func stripCommonFolders(files []folderFile, train string) []folderFile {
	for train == "." || !hasFolder(files, train) {
		top, loose := "", false
		for _, f := range files {
			first, rest, deeper := strings.Cut(f.name, "/")
			if !deeper && !f.dir {
				continue
			}
			if top != "" && top != first {
				return files
			}
			top = first
			loose = loose || (deeper && !f.dir && !strings.Contains(rest, "/"))
		}
		if top == "" || (train == "." && loose) {
			return files
		}
		var inner []folderFile
		for _, f := range files {
			if rest, inside := below(top, f.name); inside {
				inner = append(inner, folderFile{rest, f.entry, f.dir})
			}
		}
		if len(inner) == 0 {
			return files
		}
		files = inner
	}
	return files
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

// listFolders names the top folders, for an error.
func listFolders(files []folderFile) string {
	names := map[string]bool{}
	for _, f := range files {
		if first, _, deeper := strings.Cut(f.name, "/"); deeper || f.dir {
			names[Printable(first)] = true
		}
	}
	sorted := slices.Sorted(maps.Keys(names))
	if n := len(sorted); n > 10 {
		sorted = append(sorted[:10], fmt.Sprintf("… (%d in all)", n))
	}
	if len(sorted) == 0 {
		return "no folders"
	}
	return "the folders " + strings.Join(sorted, ", ")
}

// excluded says whether one of the patterns matches the name or a folder it lies in. As in .gitignore, a pattern with a
// slash that is not its last character is matched with the path, any other with the last part of it.
func excluded(patterns []string, name string) bool {
	for _, pattern := range patterns {
		pattern = strings.TrimSuffix(pattern, "/")
		whole := strings.Contains(pattern, "/")
		pattern = strings.TrimPrefix(pattern, "/")
		for part := name; part != "."; part = path.Dir(part) {
			subject := part
			if !whole {
				subject = path.Base(part)
			}
			if ok, _ := path.Match(pattern, subject); ok { // problems reports a bad pattern
				return true
			}
		}
	}
	return false
}
