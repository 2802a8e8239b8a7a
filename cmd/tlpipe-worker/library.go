//go:build !notensorflow

package main

import (
	"bufio"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"tlpipe/pipeline/worker"
	"tlpipe/savedmodels/tfruntime"
)

// libraries are the paths of the files of TensorFlow that this process has loaded.
func libraries() ([]string, error) {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil, err
	}
	defer maps.Close()
	var found []string
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		if i := strings.IndexByte(lines.Text(), '/'); i >= 0 {
			path := lines.Text()[i:]
			if strings.HasPrefix(filepath.Base(path), "libtensorflow") && !slices.Contains(found, path) {
				found = append(found, path)
			}
		}
	}
	slices.Sort(found)
	return found, lines.Err()
}

// identity says which files the library of this process is, as they are now. It takes no time: `info` tells what they
// hold.
func identity() worker.Identity {
	library := "TensorFlow " + tfruntime.New().Version()
	files, _ := libraries() // without them the version has to do
	for _, path := range files {
		var st syscall.Stat_t
		if syscall.Stat(path, &st) == nil {
			library += fmt.Sprintf(", %s (inode %d on %d, %d bytes, written %d, changed %d)", path, st.Ino, st.Dev, st.Size, st.Mtim.Nano(), st.Ctim.Nano())
		}
	}
	return worker.Identity{Build: worker.Build(), Library: library}
}

// buildOf tells builds of a library apart, also of one version, by where its sections and its exported functions lie. To
// hash all of it would take a second, and other code of just the same layout is no other build that anybody makes.
func buildOf(files []string) (string, error) {
	h := sha256.New()
	for _, path := range files {
		f, err := elf.Open(path)
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		defer f.Close()
		fmt.Fprintf(h, "%s %+v\n", filepath.Base(path), f.FileHeader)
		for _, s := range f.Sections {
			fmt.Fprintf(h, "%+v\n", s.SectionHeader)
			if s.Type == elf.SHT_DYNSYM || s.Type == elf.SHT_NOTE {
				content, err := s.Data()
				if err != nil {
					return "", fmt.Errorf("%s: section %s: %w", path, s.Name, err)
				}
				h.Write(content)
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}
