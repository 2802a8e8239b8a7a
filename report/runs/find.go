package runs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
	"tlpipe/report/comparison"
)

// Finder finds runs in a store by what a user calls them.
type Finder struct {
	Store *store.Store

	// Config reads a config file: its name, and its settings with all defaults as records of runs have them.
	Config func(file string) (name string, settings []byte, err error)
}

// Compared finds what the user means by a RUN of compare.
func (f Finder) Compared(arg string) (comparison.Run, error) {
	info, err := os.Stat(arg)
	switch {
	case err == nil && info.IsDir():
		return runInFolder(f.Store, arg)
	case err == nil && strings.HasSuffix(arg, ".json"):
		return readSummaryFile(f.Store, arg)
	case err == nil:
		return f.lastRunOfConfig(arg)
	case strings.HasSuffix(arg, ".json") || strings.HasSuffix(arg, ".yaml") || strings.HasSuffix(arg, ".yml"):
		return comparison.Run{}, exit.Errorf(exit.Usage, "%w", err)
	}
	return runByName(f.Store, arg)
}

// runInFolder reads a folder that the PyTorch script filled, or one of the store's runs.
func runInFolder(s *store.Store, dir string) (comparison.Run, error) {
	summary := filepath.Join(dir, "summary.json")
	if _, err := os.Stat(summary); err == nil {
		return readSummaryFile(s, summary)
	}
	if _, err := os.Stat(filepath.Join(dir, "run.json")); err == nil {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return comparison.Run{}, err
		}
		owner, err := store.At(filepath.Join(abs, "..", ".."))
		if err != nil {
			return comparison.Run{}, err
		}
		return runByID(owner, filepath.Base(abs), dir)
	}
	return comparison.Run{}, exit.Errorf(exit.Usage, "%s holds no summary.json, which is written last: the run is still in progress, was stopped, or this is no folder of a run", dir)
}

// lastRunOfConfig takes the last run with exactly the settings of a config file. Where there is none, it takes the last
// run of the config's name and notes what differs.
func (f Finder) lastRunOfConfig(file string) (comparison.Run, error) {
	name, rendered, err := f.Config(file)
	if err != nil {
		return comparison.Run{}, err
	}
	asked, err := comparison.ParseSettings(rendered)
	if err != nil {
		return comparison.Run{}, err
	}
	differs := func(r Stored) []comparison.Difference {
		settings, err := comparison.ParseSettings([]byte(r.Config))
		if err != nil {
			return []comparison.Difference{{Setting: "all, for they can't be read"}}
		}
		return comparison.Differences(asked, settings)
	}
	r, err := lastRun(f.Store, file, 0, func(r Stored) bool { return r.Name() == name && len(differs(r)) == 0 })
	if !errors.Is(err, errNoRun) {
		return r, err
	}
	var taken Stored
	r, err = lastRun(f.Store, file, 0, func(r Stored) bool {
		if r.Name() != name {
			return false
		}
		taken = r
		return true
	})
	if errors.Is(err, errNoRun) {
		return r, exit.Errorf(exit.Usage, "%s has not been run in %s: `tlpipe run %s` runs it", file, f.Store.Dir(), file)
	} else if err != nil {
		return r, err
	}
	var names []string
	for _, d := range differs(taken) {
		names = append(names, d.Setting)
	}
	r.Notes = append(r.Notes, fmt.Sprintf("the last run of %s had other settings than %s has now: %s", name, file, strings.Join(names, ", ")))
	return r, nil
}

// runByName finds NAME, NAME~N, the ID of a run, or a part of one.
func runByName(s *store.Store, arg string) (comparison.Run, error) {
	ids, err := s.Runs()
	if err != nil {
		return comparison.Run{}, err
	}
	if slices.Contains(ids, arg) {
		return runByID(s, arg, arg)
	}
	tags, err := s.Tags()
	if err != nil {
		return comparison.Run{}, err
	}
	if id := tags[arg]; id != "" {
		return runByID(s, id, arg)
	}
	name, back := arg, 0
	if before, after, ok := strings.Cut(arg, "~"); ok {
		if n, err := strconv.Atoi(after); err == nil && n >= 0 {
			name, back = before, n
		}
	}
	r, err := lastRun(s, arg, back, func(r Stored) bool { return r.Name() == name })
	if !errors.Is(err, errNoRun) {
		return r, err
	}
	var like []string
	for _, id := range ids {
		if strings.Contains(id, arg) {
			like = append(like, id)
		}
	}
	switch {
	case len(like) == 1:
		return runByID(s, like[0], like[0])
	case len(like) > 1:
		return r, exit.Errorf(exit.Usage, "%s is part of the IDs of %d runs: %s", arg, len(like), FirstFew(like))
	case len(ids) == 0:
		return r, exit.Errorf(exit.Usage, "there is no file, folder or run %s; %s holds no runs yet (--store names another store)", arg, s.Dir())
	default:
		return r, exit.Errorf(exit.Usage, "there is no file, folder or run %s; the last runs in %s are %s", arg, s.Dir(), FirstFew(ids))
	}
}

// FirstFew lists the first of some IDs.
func FirstFew(ids []string) string {
	const most = 5
	if len(ids) > most {
		return strings.Join(ids[:most], ", ") + ", …"
	}
	return strings.Join(ids, ", ")
}

var errNoRun = errors.New("no such run")

// lastRun takes the newest run with a report that fits, or, with back, an earlier one. A run that is still in progress
// is refused; one that failed is passed over and noted.
func lastRun(s *store.Store, from string, back int, fits func(Stored) bool) (comparison.Run, error) {
	ids, err := s.Runs()
	if err != nil {
		return comparison.Run{}, err
	}
	var notes []string
	for _, id := range ids {
		r, err := Read(s, id)
		if err != nil || !fits(r) {
			continue
		}
		switch problem := r.unfinished(); {
		case problem == "":
		case back > 0 && r.Running:
			back--
			continue
		case back > 0:
			continue
		case r.Running:
			return comparison.Run{}, exit.Errorf(exit.Usage, "%s: %s", from, problem)
		default:
			if r.Status != "done" { // run --until or export ended as they should
				notes = append(notes, problem+"; an earlier run is taken")
			}
			continue
		}
		if back--; back >= 0 {
			continue
		}
		run, err := r.toCompare(s, from)
		run.Notes = append(run.Notes, notes...)
		return run, err
	}
	if len(notes) > 0 {
		return comparison.Run{}, exit.Errorf(exit.Usage, "%s: no run has an evaluated model; %s", from, strings.TrimSuffix(notes[0], "; an earlier run is taken"))
	}
	return comparison.Run{}, errNoRun
}

func runByID(s *store.Store, id, from string) (comparison.Run, error) {
	r, err := Read(s, id)
	if err != nil {
		return comparison.Run{}, exit.Errorf(exit.Usage, "%s: %w", from, err)
	}
	if problem := r.unfinished(); problem != "" {
		return comparison.Run{}, exit.Errorf(exit.Usage, "%s", problem)
	}
	return r.toCompare(s, from)
}
