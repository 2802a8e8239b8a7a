package predict

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"tlpipe/stages/archivefs"
)

// ImageFiles lists the files that command-line arguments name: files, folders and patterns, in the order of the arguments. A
// folder means all files in it and its subfolders by name, except hidden ones and junk (archivefs.Junk). A pattern (as in a
// shell, without **) means the files it matches. What cannot be listed is reported to problem, and listing continues.
func ImageFiles(args []string, problem func(path string, reason error)) []string {
	var files []string
	add := func(path string) error {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return err
		case info.IsDir():
			files = append(files, filesBelow(path, problem)...)
		case !info.Mode().IsRegular():
			return errors.New("neither a file nor a folder")
		default:
			files = append(files, path)
		}
		return nil
	}
	for _, arg := range args {
		err := add(arg)
		if errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(arg, "*?[") {
			err = eachMatch(arg, func(path string) {
				if err := add(path); err != nil {
					problem(path, reason(err))
				}
			})
		}
		if err != nil {
			problem(arg, reason(err))
		}
	}
	return files
}

// eachMatch calls do for the files that a pattern matches, by name. As in a shell, * does not match hidden files.
func eachMatch(pattern string, do func(path string)) error {
	matches, err := filepath.Glob(pattern)
	if err != nil {
		return fmt.Errorf("there is no such file, and it is no pattern: %w", err)
	}
	hidden := strings.HasPrefix(filepath.Base(pattern), ".")
	found := false
	for _, path := range matches {
		if hidden || !strings.HasPrefix(filepath.Base(path), ".") {
			found = true
			do(path)
		}
	}
	if !found {
		return errors.New("no file matches")
	}
	return nil
}

// filesBelow lists the files in a folder and its subfolders. Links to folders are not followed.
func filesBelow(root string, problem func(path string, reason error)) []string {
	var files []string
	// The trailing slash makes WalkDir follow a root that is a link; listed paths do not contain it.
	_ = filepath.WalkDir(root+string(filepath.Separator), func(path string, entry fs.DirEntry, err error) error {
		name, _ := filepath.Rel(root, path)
		switch {
		case err != nil:
			problem(path, reason(err))
		case name == ".":
		case archivefs.Junk(filepath.ToSlash(name)):
			if entry.IsDir() {
				return fs.SkipDir
			}
		case entry.IsDir():
		default:
			if info, err := os.Stat(path); err != nil {
				problem(path, reason(err))
			} else if info.Mode().IsRegular() {
				files = append(files, path)
			}
		}
		return nil
	})
	return files
}

// reason strips the operation and path from an *fs.PathError.
func reason(err error) error {
	if system := (*fs.PathError)(nil); errors.As(err, &system) {
		return system.Err
	}
	return err
}
