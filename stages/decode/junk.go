package decode

import (
	"errors"
	"path"
	"slices"
	"strings"

	"tlpipe/stages/archivefs"
	"tlpipe/stages/formats"
	"tlpipe/stages/imagefile"
)

// hiddenClass says whether junk could be a picture of a class after all: in a folder whose name begins with a dot, and is
// not one that programs are known to make.
func hiddenClass(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".heic", ".avif":
	default:
		return false
	}
	hidden := false
	for part := range strings.SplitSeq(path.Dir(name), "/") {
		part = strings.ToLower(part)
		for _, known := range []string{".git", ".ipynb", ".trash", ".spotlight", ".fseventsd", ".thumb", ".cache", ".svn", ".hg", ".dvc", ".snapshot", ".picasa", ".@", "._", ".appledouble"} {
			if strings.HasPrefix(part, known) {
				return false
			}
		}
		if archivefs.JunkNames[part] {
			return false
		}
		hidden = hidden || strings.HasPrefix(part, ".") && part != "."
	}
	return hidden && !strings.HasPrefix(path.Base(name), ".")
}

// noPictures are the extensions of what lies beside pictures in class folders and is none: notes, labels, programs,
// films, archives. What has another extension, or none, is a picture that can be read or one that is set aside.
var noPictures = map[string]bool{
	".txt": true, ".md": true, ".rst": true, ".rtf": true, ".pdf": true, ".doc": true, ".docx": true, ".log": true, ".html": true, ".htm": true,
	".csv": true, ".tsv": true, ".xls": true, ".xlsx": true, ".ods": true, ".parquet": true,
	".json": true, ".jsonl": true, ".ndjson": true, ".xml": true, ".yaml": true, ".yml": true, ".toml": true, ".ini": true, ".cfg": true,
	".npy": true, ".npz": true, ".mat": true, ".pkl": true, ".pickle": true, ".pt": true, ".pth": true, ".h5": true, ".hdf5": true, ".tfrecord": true,
	".db": true, ".sqlite": true, ".lst": true, ".idx": true, ".cache": true, ".md5": true, ".sha256": true, ".sig": true,
	".xmp": true, ".aae": true, ".thm": true, ".lnk": true, ".url": true, ".torrent": true, // beside photographs, and what a download leaves
	".py": true, ".pyc": true, ".ipynb": true, ".sh": true, ".bat": true, ".js": true, ".css": true, ".m": true, ".r": true,
	".mp4": true, ".mov": true, ".avi": true, ".mkv": true, ".webm": true, ".wav": true, ".mp3": true,
	".zip": true, ".tar": true, ".gz": true, ".tgz": true, ".bz2": true, ".xz": true, ".zst": true, ".7z": true, ".rar": true,
}

// noPicture says whether entry i of an archive is no picture by its name, nor by its content.
func noPicture(archive *archivefs.Archive, i int) bool {
	const enough = 512 // bytes, to tell what a file is
	e := archive.Entries[i]
	if e.Dir || !noPictures[strings.ToLower(path.Ext(e.Name))] {
		return false
	}
	head, err := archive.Head(i, enough)
	var disk *archivefs.DiskError
	if errors.As(err, &disk) {
		return false // which says nothing of the file: who reads it for a picture meets it again
	}
	return err != nil || !imagefile.Known(head)
}

// excludingRejected is the list for decode.exclude that leaves out what was rejected; "" where that would take pictures with it.
func excludingRejected(rejected []formats.Rejected) string {
	pictures := []string{"", ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".heic", ".heif", ".avif"}
	var patterns []string
	for _, r := range rejected {
		ext := path.Ext(r.Path)
		if slices.Contains(pictures, strings.ToLower(ext)) {
			return ""
		}
		if pattern := "*" + ext; !slices.Contains(patterns, pattern) {
			patterns = append(patterns, pattern)
		}
	}
	return ": " + FlowList(patterns)
}
