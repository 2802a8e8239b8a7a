package runs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"tlpipe/pipeline/exit"
)

// Find finds any run in the store, also one that failed: by its ID or a part of it, its directory, a tag, the name of its
// config (NAME~1 is the run before the last) or the config's file; the empty name is that of the newest run.
func (f Finder) Find(arg string) (Stored, error) {
	ids, err := f.Store.Runs()
	if err != nil {
		return Stored{}, err
	}
	tags, err := f.Store.Tags()
	if err != nil {
		return Stored{}, err
	}
	switch info, err := os.Stat(arg); {
	case len(ids) == 0:
		return Stored{}, exit.Errorf(exit.Usage, "%s holds no runs yet (--store names another store)", f.Store.Dir())
	case arg == "":
		return f.newest(ids, 0, func(Stored) bool { return true }, "any run that began a stage")
	case slices.Contains(ids, arg):
		return f.read(arg)
	case tags[arg] != "":
		return f.read(tags[arg])
	case err == nil && info.IsDir():
		return f.inFolder(arg)
	case err == nil:
		return f.ofConfig(ids, arg)
	}
	name, back := arg, 0
	if before, after, ok := strings.Cut(arg, "~"); ok {
		if n, err := strconv.Atoi(after); err == nil && n >= 0 {
			name, back = before, n
		}
	}
	if r, err := f.newest(ids, back, func(r Stored) bool { return r.Name() == name }, arg); err == nil {
		return r, nil
	}
	like := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !strings.Contains(id, arg) })
	switch len(like) {
	case 0:
		return Stored{}, exit.Errorf(exit.Usage, "there is no file, folder or run %s; the last runs in %s are %s", arg, f.Store.Dir(), FirstFew(ids))
	case 1:
		return f.read(like[0])
	}
	return Stored{}, exit.Errorf(exit.Usage, "%s is part of the IDs of %d runs: %s", arg, len(like), FirstFew(like))
}

func (f Finder) read(id string) (Stored, error) {
	r, err := Read(f.Store, id)
	if err != nil {
		return r, exit.Errorf(exit.Usage, "%w", err)
	}
	return r, nil
}

// newest is the last run that fits, or, with back, an earlier one.
func (f Finder) newest(ids []string, back int, fits func(Stored) bool, what string) (Stored, error) {
	for _, id := range ids {
		r, err := Read(f.Store, id)
		if err != nil || !fits(r) {
			continue
		}
		if back == 0 {
			return r, nil
		}
		back--
	}
	return Stored{}, exit.Errorf(exit.Usage, "%s does not hold %s", f.Store.Dir(), what)
}

// inFolder reads the run whose directory is given.
func (f Finder) inFolder(dir string) (Stored, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Stored{}, err
	}
	if abs != f.Store.RunDir(filepath.Base(abs)) {
		return Stored{}, exit.Errorf(exit.Usage, "%s is no run of %s (--store names another store)", dir, f.Store.Dir())
	}
	return f.read(filepath.Base(abs))
}

// ofConfig takes the last run with exactly the settings of a file, or else the last run of the config's name.
func (f Finder) ofConfig(ids []string, file string) (Stored, error) {
	name, settings, err := f.Config(file)
	if err != nil {
		return Stored{}, err
	}
	if r, err := f.newest(ids, 0, func(r Stored) bool { return r.Config == string(settings) }, ""); err == nil {
		return r, nil
	}
	return f.newest(ids, 0, func(r Stored) bool { return r.Name() == name }, fmt.Sprintf("a run of %s: `tlpipe run %s` runs it", name, file))
}
