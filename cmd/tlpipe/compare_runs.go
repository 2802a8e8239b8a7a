package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"tlpipe/pipeline/config"
	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
	"tlpipe/report/comparison"
)

// storedRun is run.json as it is read.
type storedRun struct {
	Config  string          `json:"config"`
	Began   time.Time       `json:"began"`
	Host    string          `json:"host"`
	PID     int             `json:"pid"`
	Status  string          `json:"status"`
	Error   string          `json:"error"`
	Summary *runSummaryFile `json:"summary"`

	id      string
	running bool // its process still holds the store
}

// findRun finds what the user means by a RUN of compare.
func findRun(s *store.Store, arg string) (comparison.Run, error) {
	info, err := os.Stat(arg)
	switch {
	case err == nil && info.IsDir():
		return runInFolder(s, arg)
	case err == nil && strings.HasSuffix(arg, ".json"):
		return readSummaryFile(s, arg)
	case err == nil:
		return lastRunOfConfig(s, arg)
	case strings.HasSuffix(arg, ".json") || strings.HasSuffix(arg, ".yaml") || strings.HasSuffix(arg, ".yml"):
		return comparison.Run{}, exit.Errorf(exit.Usage, "%w", err)
	}
	return runByName(s, arg)
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
func lastRunOfConfig(s *store.Store, file string) (comparison.Run, error) {
	cfg, err := checkConfig([]string{file}, nil)
	if err != nil {
		return comparison.Run{}, err
	}
	rendered, err := config.Render(cfg.Public()) // as the store's records have it
	if err != nil {
		return comparison.Run{}, err
	}
	asked, err := comparison.ParseSettings(rendered)
	if err != nil {
		return comparison.Run{}, err
	}
	differs := func(r storedRun) []comparison.Difference {
		settings, err := comparison.ParseSettings([]byte(r.Config))
		if err != nil {
			return []comparison.Difference{{Setting: "all, for they can't be read"}}
		}
		return comparison.Differences(asked, settings)
	}
	r, err := lastRun(s, file, 0, func(r storedRun) bool { return nameOf(r) == cfg.Name && len(differs(r)) == 0 })
	if !errors.Is(err, errNoRun) {
		return r, err
	}
	var taken storedRun
	r, err = lastRun(s, file, 0, func(r storedRun) bool {
		if nameOf(r) != cfg.Name {
			return false
		}
		taken = r
		return true
	})
	if errors.Is(err, errNoRun) {
		return r, exit.Errorf(exit.Usage, "%s has not been run in %s: `tlpipe run %s` runs it", file, s.Dir(), file)
	} else if err != nil {
		return r, err
	}
	var names []string
	for _, d := range differs(taken) {
		names = append(names, d.Setting)
	}
	r.Notes = append(r.Notes, fmt.Sprintf("the last run of %s had other settings than %s has now: %s", cfg.Name, file, strings.Join(names, ", ")))
	return r, nil
}

// nameOf is the name of a run's config. The config is written before the summary.
func nameOf(r storedRun) string {
	settings, err := comparison.ParseSettings([]byte(r.Config))
	if err != nil {
		return ""
	}
	for _, s := range settings {
		if s.Path == "name" {
			return s.Value
		}
	}
	return ""
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
	r, err := lastRun(s, arg, back, func(r storedRun) bool { return nameOf(r) == name })
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
		return r, exit.Errorf(exit.Usage, "%s is part of the IDs of %d runs: %s", arg, len(like), firstFew(like))
	case len(ids) == 0:
		return r, exit.Errorf(exit.Usage, "there is no file, folder or run %s; %s holds no runs yet (--store names another store)", arg, s.Dir())
	default:
		return r, exit.Errorf(exit.Usage, "there is no file, folder or run %s; the last runs in %s are %s", arg, s.Dir(), firstFew(ids))
	}
}

func firstFew(ids []string) string {
	const most = 5
	if len(ids) > most {
		return strings.Join(ids[:most], ", ") + ", …"
	}
	return strings.Join(ids, ", ")
}

var errNoRun = errors.New("no such run")

// lastRun takes the newest run with a report that fits, or, with back, an earlier one. A run that is still in progress
// is refused; one that failed is passed over and noted.
func lastRun(s *store.Store, from string, back int, fits func(storedRun) bool) (comparison.Run, error) {
	ids, err := s.Runs()
	if err != nil {
		return comparison.Run{}, err
	}
	var notes []string
	for _, id := range ids {
		r, err := readStoredRun(s, id)
		if err != nil || !fits(r) {
			continue
		}
		switch problem := r.unfinished(); {
		case problem == "":
		case back > 0 && r.running:
			back--
			continue
		case back > 0:
			continue
		case r.running:
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
	r, err := readStoredRun(s, id)
	if err != nil {
		return comparison.Run{}, exit.Errorf(exit.Usage, "%s: %w", from, err)
	}
	if problem := r.unfinished(); problem != "" {
		return comparison.Run{}, exit.Errorf(exit.Usage, "%s", problem)
	}
	return r.toCompare(s, from)
}

func readStoredRun(s *store.Store, id string) (storedRun, error) {
	path := filepath.Join(s.RunDir(id), "run.json")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return storedRun{}, fmt.Errorf("%s is not there: the run ended before it began a stage", path)
	} else if err != nil {
		return storedRun{}, err
	}
	r := storedRun{id: id}
	if err := json.Unmarshal(text, &r); err != nil {
		return storedRun{}, fmt.Errorf("%s: %w", path, err)
	}
	if r.Status == "running" { // or it was killed, and the kernel gave its lock back
		r.running = slices.ContainsFunc(s.Held(), func(h store.Holder) bool { return h.PID == r.PID && h.Host == r.Host })
	}
	return r, nil
}

// unfinished says why a run has nothing to compare; empty if it has.
func (r storedRun) unfinished() string {
	switch {
	case r.running:
		return fmt.Sprintf("run %s is still in progress (process %d on %s); compare it when it has ended", r.id, r.PID, r.Host)
	case r.Status == "running":
		return fmt.Sprintf("run %s was killed before its end; the same `tlpipe run` continues it", r.id)
	case r.Summary == nil || r.Summary.evaluated() == "":
		why := ""
		if r.Error != "" {
			why = ": " + r.Error
		}
		return fmt.Sprintf("run %s (%s) has no evaluated model%s", r.id, r.Status, why)
	}
	return ""
}

// toCompare reads what a finished run left in its store.
func (r storedRun) toCompare(s *store.Store, from string) (comparison.Run, error) {
	run, err := r.Summary.toCompare(s, from, filepath.Join(s.RunDir(r.id)))
	if err != nil {
		return run, err
	}
	if run.Settings, err = comparison.ParseSettings([]byte(r.Config)); err != nil {
		return run, fmt.Errorf("run %s: its config: %w", r.id, err)
	}
	if r.Status == "failed" && r.Error != "" {
		run.Notes = append(run.Notes, "the run failed after evaluate: "+r.Error)
	}
	return run, nil
}
