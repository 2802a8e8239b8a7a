package savedmodels

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"tlpipe/pipeline/exit"
)

// mostBytes is the size in bytes from which a card or graph is refused without reading. Protocol buffers are limited to 2 GiB.
var mostBytes = map[string]int64{"card.json": 64 << 20, "saved_model.pb": 2 << 30}

// Untrusted returns the error for a model that could do more than compute; why says what.
func Untrusted(dir string, why error) error {
	return exit.Errorf(exit.Usage, "%s is not loaded: %w; it could read or write any file of yours: get it from someone you trust, then `tlpipe predict --trust` loads it all the same", dir, why)
}

// CheckFiles checks the files of the SavedModel in dir without opening them. Each must be a regular file, since opening others can
// block, and must not be a link to a place outside of dir unless the model is trusted.
func CheckFiles(dir string, trusted bool) error {
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return exit.Errorf(exit.Damaged, "no SavedModel: %w", err)
	}
	if _, err := os.Lstat(filepath.Join(root, "saved_model.cpb")); err == nil && !trusted {
		return Untrusted(dir, errors.New("it has a saved_model.cpb, which TensorFlow would take in place of saved_model.pb"))
	}
	for _, name := range []string{"card.json", "saved_model.pb", "fingerprint.pb", "variables", "assets", "assets.extra"} {
		err := checkBelow(root, filepath.Join(root, name), trusted)
		if errors.Is(err, fs.ErrNotExist) {
			continue // whoever reads it says so
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkBelow looks at a file or a folder, and what is in it.
func checkBelow(root, path string, trusted bool) error {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	if inside, err := filepath.Rel(root, target); (err != nil || !filepath.IsLocal(inside)) && !trusted {
		return Untrusted(root, fmt.Errorf("%s is a link to %s, which is not in the model's folder", path, target))
	}
	info, err := os.Stat(target)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return checkFile(path, info)
	}
	entries, err := os.ReadDir(target)
	for _, entry := range entries {
		below := filepath.Join(target, entry.Name())
		if linked, statErr := os.Stat(below); entry.Type()&fs.ModeSymlink != 0 && statErr == nil && linked.IsDir() {
			continue // nobody looks into it
		}
		if err := checkBelow(root, below, trusted); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return err
}

// checkFile returns an error for anything but a regular file, and for a file that is too large.
func checkFile(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return exit.Errorf(exit.Usage, "%s is no file but %s", path, kind(info.Mode()))
	}
	if most, limited := mostBytes[filepath.Base(path)]; limited && info.Size() > most {
		return exit.Errorf(exit.Usage, "%s has %d bytes: more than %d are refused", path, info.Size(), most)
	}
	return nil
}

func kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

// Bytes returns the total size in bytes of the files with graph and variables of the SavedModel in dir.
func Bytes(dir string) (total int64) {
	variables := filepath.Join(dir, "variables")
	files := []string{filepath.Join(dir, "saved_model.pb")}
	entries, _ := os.ReadDir(variables) // what can't be read is told by whoever loads it
	for _, entry := range entries {
		files = append(files, filepath.Join(variables, entry.Name()))
	}
	for _, file := range files {
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
	}
	return total
}
