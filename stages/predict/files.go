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

// ImageFiles lists the files that a command line names by files, folders and patterns, in that order. A folder stands
// for all files in it and below, by name, but for hidden ones and those that desktops leave; a pattern (as in a shell,
// without **) for what it matches. What cannot be listed goes to problem, and the rest is listed all the same.
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

// eachMatch goes through what a pattern matches, by name. As in a shell, a hidden file must be asked for.
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

// filesBelow lists the files in a folder and below. Links to folders in it are not followed.
func filesBelow(root string, problem func(path string, reason error)) []string {
	var files []string
	// The slash has a root that is a link followed; it is in no path that is listed.
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

// reason is an error of the system without the path it names.
func reason(err error) error {
	if system := (*fs.PathError)(nil); errors.As(err, &system) {
		return system.Err
	}
	return err
}
