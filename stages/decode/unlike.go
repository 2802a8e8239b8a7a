package decode

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"tlpipe/pipeline/sanitize"
	"tlpipe/stages/formats"
	"tlpipe/stages/wording"
)

// notOfClasses says what an archive holds that no setting makes into folders of classes; nil where one may.
func notOfClasses(files []folderFile) *layoutError {
	tops := topFolders(files)
	switch packed := archivesIn(files); {
	case !slices.ContainsFunc(files, folderFile.picture) && len(packed) > 0:
		return &layoutError{wrong: "there are no pictures in the archive, but " + wording.Plural(len(packed), "another archive", "other archives") + ": " + wording.QuotedList(packed),
			advice: "unpack " + wording.Plural(len(packed), "it", "them") + ", and give fetch the folder of what comes out as its path"}
	case !slices.ContainsFunc(files, folderFile.picture):
		return &layoutError{wrong: "there are no pictures in the archive, which has " + listFolders(files), advice: "images are expected at " + formats.Train + "/CLASS/FILE"}
	case len(tops) == 0:
		return &layoutError{wrong: "there are pictures in the archive, but no folders: the folder that a picture stands in is its class",
			advice: "put the pictures of each class into a folder with its name: images are expected at " + formats.Train + "/CLASS/FILE"}
	}
	var splits []string
	for _, top := range tops {
		for _, f := range files {
			rest, inside := below(top.name, f.name)
			split, _, deeper := strings.Cut(rest, "/")
			if !inside || !f.picture() {
				continue
			}
			if !deeper || usualSplits[strings.ToLower(split)] == "" {
				return nil
			}
			if !slices.Contains(splits, split) {
				splits = append(splits, split)
			}
		}
	}
	slices.Sort(splits)
	first := tops[0].name
	return &layoutError{wrong: fmt.Sprintf("the splits %s stand in the folders of the classes", wording.QuotedList(splits)),
		advice: fmt.Sprintf("turn that round: %s becomes %s, and so on", path.Join(sanitize.Name(first), splits[0]), path.Join(splits[0], sanitize.Name(first)))}
}

// archivesIn names the archives among files.
func archivesIn(files []folderFile) (names []string) {
	for _, f := range files {
		switch strings.ToLower(path.Ext(f.name)) {
		case ".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar":
			if f.other {
				names = append(names, f.name)
			}
		}
	}
	return names
}
