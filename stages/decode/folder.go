package decode

import (
	"fmt"
	"path"
	"slices"

	"golang.org/x/text/unicode/norm"

	"tlpipe/stages/archivefs"
	"tlpipe/stages/imagefile"
	"tlpipe/stages/wording"
)

// openFolder finds the images of an archive laid out as SPLIT/CLASS/…/FILE. Names are compared in Unicode NFC: macOS packs
// the é of Café as two characters, and means the same folder.
func openFolder(archive *archivefs.Archive, s *Settings, opts imagefile.Options) (*imageSource, error) {
	l := layout{files: make([]folderFile, 0, len(archive.Entries)), splits: map[string]string{}}
	var hidden []string
	for i, e := range archive.Entries {
		switch {
		case !archivefs.Junk(e.Name):
			l.files = append(l.files, folderFile{norm.NFC.String(e.Name), int32(i), e.Dir, noPicture(archive, i)})
		case !e.Dir && hiddenClass(e.Name):
			hidden = append(hidden, e.Name)
		}
	}
	for split, folder := range s.Splits {
		l.splits[split] = path.Clean(norm.NFC.String(folder))
	}
	for _, pattern := range s.Exclude {
		l.exclude = append(l.exclude, norm.NFC.String(pattern))
	}
	f, err := l.arrange()
	if err == nil {
		err = l.checkWrapped(f)
	}
	if err != nil {
		if err = l.advised(err); len(hidden) > 0 {
			err = fmt.Errorf("%w\n%s; if these are the data, give the folder another name", err, leftOut(hidden))
		}
		return nil, err
	}
	if len(hidden) > 0 {
		f.notes = append(f.notes, leftOut(hidden))
	}
	f.noteNested()
	f.noteSpellings(archive.Entries)
	f.noteUseless(l.exclude, archive.Entries)
	return f.source(archive, opts), nil
}

// leftOut says of pictures that they are hidden.
func leftOut(hidden []string) string {
	n := len(hidden)
	return fmt.Sprintf("%d %s left out, such as %q", n, wording.Plural(n, "picture in a folder whose name begins with a dot is", "pictures in folders whose names begin with a dot are"), hidden[0])
}

// imageFolder collects the images of the splits.
type imageFolder struct {
	train   map[string]*classFolder
	names   []string // of the classes, which are those of train, sorted by their bytes
	items   []imageItem
	entries []int32  // of each item, in the archive
	loose   []string // files outside the class folders
	others  []string // files in class folders that are no pictures by their names
	notes   []string
}

// noteNested says which the classes are where all of their folders hold nothing but folders: those may be meant.
func (f *imageFolder) noteNested() {
	for _, c := range f.train {
		if c.flat {
			return
		}
	}
	within := path.Dir(f.train[f.names[0]].pictures[0].name)
	f.notes = append(f.notes, fmt.Sprintf("no class folder holds pictures itself, only folders, such as %q: the classes are %s, and not what they hold", within, wording.QuotedList(f.names)))
}

// noteSpellings says which classes have folders whose names are written in two ways.
func (f *imageFolder) noteSpellings(entries []archivefs.Entry) {
	var twice []string
	spelled := map[string]string{} // folders as they are written, by their names in NFC
	for i, item := range f.items {
		raw := path.Dir(entries[f.entries[i]].Name)
		folder := path.Dir(item.path)
		if first, known := spelled[folder]; known && first != raw && !slices.Contains(twice, folder) {
			twice = append(twice, folder)
		}
		spelled[folder] = raw
	}
	if len(twice) > 0 {
		f.notes = append(f.notes, fmt.Sprintf("%s there twice, written with other Unicode characters for the same letters: taken as one", wording.Named("folder", twice)+wording.Plural(len(twice), " is", " are")))
	}
}

func (f *imageFolder) source(archive *archivefs.Archive, opts imagefile.Options) *imageSource {
	src := &imageSource{
		classes: f.names,
		items:   f.items,
		notes:   f.notes,
		close:   archive.Close,
		read:    newFileReader(archive, f.entries, opts).read,
	}
	if n := len(f.loose); n > 0 {
		src.notes = append(src.notes, fmt.Sprintf("%d %s left out, such as %q", n, wording.Plural(n, "file outside the class folders is", "files outside the class folders are"), f.loose[0]))
	}
	if n := len(f.others); n > 0 {
		src.notes = append(src.notes, fmt.Sprintf("%d %s left out, such as %q", n, wording.Plural(n, "file in a class folder is no picture and", "files in class folders are no pictures and"), f.others[0]))
	}
	return src
}
