package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"tlpipe/pipeline/failpoint"
)

// Pending is an action's unfinished work.
type Pending struct {
	Out string // folder that becomes the artifact
	Tmp string // private folder of the action, removed after the commit

	store  *Store
	action ActionID
}

// intentName is the record of a commit in progress. It stays in the action's scratch directory until the object is in its place, and
// is then renamed to become the record. If a process dies between the two, the commit is finished by the next one that locks or
// shares the store, or claims the action.
const intentName = "record.json"

// usesName is the file in an action's scratch directory with the IDs of the artifacts that the action reads.
const usesName = "uses"

// Begin opens the scratch directory of an action, which the caller has claimed. Files of an earlier attempt are kept.
//
// In Out, names that begin with a dot or end in .partial are unfinished files: Commit deletes them.
func (s *Store) Begin(id ActionID) (*Pending, error) {
	p, err := s.Begun(id)
	if err != nil {
		return nil, err
	}
	err = errors.Join(makeDir(p.Out), makeDir(p.Tmp))
	if err == nil {
		err = p.reopen()
	}
	if err != nil {
		return nil, fmt.Errorf("begin in scratch: %w", err)
	}
	return p, nil
}

// Begun is an action's unfinished work where it was begun: for a process that does the work for the one that claimed it.
func (s *Store) Begun(id ActionID) (*Pending, error) {
	if !isDigest(string(id)) {
		return nil, fmt.Errorf("%q is not an action ID (64 hex digits)", id)
	}
	dir := s.scratchPath(id)
	return &Pending{Out: filepath.Join(dir, "out"), Tmp: filepath.Join(dir, "tmp"), store: s, action: id}, nil
}

// reopen reverts the changes that an interrupted commit made to out, so that the stage can continue there.
func (p *Pending) reopen() error {
	for _, path := range []string{filepath.Join(p.store.scratchPath(p.action), intentName), filepath.Join(p.Out, manifestName)} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	makeWritable(p.Out)
	return nil
}

// Uses records which artifacts the work reads, before it reads them, so that the unfinished work is discarded too if one of them
// proves to be damaged.
func (p *Pending) Uses(ids []string) error {
	err := WriteFile(filepath.Join(p.store.scratchPath(p.action), usesName), []byte(strings.Join(ids, "\n")))
	if err != nil {
		return fmt.Errorf("begin in scratch: %w", err)
	}
	return nil
}

// Discard removes the unfinished work.
func (p *Pending) Discard() error {
	if err := removeAll(p.store.scratchPath(p.action)); err != nil {
		return fmt.Errorf("discard unfinished work: %w", err)
	}
	return nil
}

// Commit makes Out an artifact and r, completed with what the store knows, the record of the action. identity, if not
// empty, stands for the artifact in the keys of later stages. Out may hold regular files and directories only; empty
// directories are dropped. Each step is on the disk before the next begins:
//
//	files → manifest → intent (the record, in scratch) → object renamed into its place → record renamed into its place
//
// After an error the work is still in scratch, for Begin, or all but committed, for the next who claims the action to finish.
func (p *Pending) Commit(r Record, artifactType, identity string) (Artifact, error) {
	a, err := p.commit(r, artifactType, identity)
	if err != nil {
		return Artifact{}, fmt.Errorf("commit the result: %w", err)
	}
	return a, nil
}

func (p *Pending) commit(r Record, artifactType, identity string) (Artifact, error) {
	s := p.store
	if KeyID(r.Key) != p.action {
		return Artifact{}, fmt.Errorf("the key in the record does not hash to the action %s", p.action)
	}
	if artifactType == "" {
		return Artifact{}, errors.New("the artifact has no type")
	}
	files, states, err := s.seal(p.Out)
	if err != nil {
		return Artifact{}, err
	}
	m := manifest{Format: manifestFormat, Type: artifactType, Identity: identity, Files: files}
	data, id, err := m.encode()
	if err != nil {
		return Artifact{}, fmt.Errorf("manifest: %w", err)
	}
	r.Action, r.Artifact, r.Type = p.action, id, artifactType
	intent, err := encodeRecord(r)
	if err != nil {
		return Artifact{}, err
	}
	for _, dir := range []string{filepath.Dir(s.objectPath(id)), filepath.Dir(s.recordPath(p.action))} {
		if err := makeDir(dir); err != nil { // while there is little to lose
			return Artifact{}, err
		}
	}
	failpoint.Here("before-manifest")
	if err := WriteFile(filepath.Join(p.Out, manifestName), data); err != nil {
		return Artifact{}, err
	}
	failpoint.Here("after-manifest")
	if err := WriteFile(filepath.Join(s.scratchPath(p.action), intentName), intent); err != nil {
		return Artifact{}, err
	}
	failpoint.Here("before-rename")
	published, err := s.publish(p, id)
	if err != nil {
		return Artifact{}, err
	}
	if published {
		s.writeMemory(id, states)
	}
	failpoint.Here("after-rename")
	if err := s.finish(p.action); err != nil {
		return Artifact{}, err
	}
	return m.artifact(id, s.objectPath(id)), nil
}

// publish moves out to its place among the objects. An intact object of the same content is kept, a damaged one is replaced. Several
// processes may do this concurrently.
func (s *Store) publish(p *Pending, id string) (published bool, err error) {
	dst := s.objectPath(id)
	for {
		if _, err := os.Lstat(dst); err == nil {
			if whole, err := s.keepWhole(id); whole || err != nil {
				return false, err
			}
			failpoint.Here("damaged-aside")
		}
		err := os.Rename(p.Out, dst)
		if err == nil {
			return true, errors.Join(SyncDir(filepath.Dir(dst)), SyncDir(filepath.Dir(p.Out)))
		}
		if _, missing := os.Lstat(dst); missing != nil {
			return false, err
		}
	}
}

// keepWhole reports whether an object is intact, and sets it aside if it is not.
func (s *Store) keepWhole(id string) (whole bool, err error) {
	if whole, err = s.whole(id); whole || err != nil {
		return whole, err
	}
	err = s.inOrder(func() error {
		if whole, err = s.whole(id); whole || err != nil { // another process has just replaced it
			return err
		}
		return s.setAside(s.objectPath(id))
	})
	return whole, err
}

// finish makes the intent of an action its record and drops the scratch directory.
func (s *Store) finish(id ActionID) error {
	dst := s.recordPath(id)
	if err := makeDir(filepath.Dir(dst)); err != nil {
		return err
	}
	if info, err := os.Lstat(dst); err == nil && info.IsDir() { // a directory in the place of a record is not the store's
		if err := s.setAside(dst); err != nil {
			return err
		}
	}
	failpoint.Here("before-record")
	if err := os.Rename(filepath.Join(s.scratchPath(id), intentName), dst); err != nil {
		return err
	}
	if err := SyncDir(filepath.Dir(dst)); err != nil {
		return err
	}
	failpoint.Here("after-record")
	// The action is done; scratch that cannot be removed is left to gc.
	_ = s.setAside(s.scratchPath(id))
	_ = s.dropAside()
	return nil
}

// finishCommits finishes commits that were interrupted after their object was in place, and completes interrupted removals. It skips
// actions that another process has claimed.
func (s *Store) finishCommits() error {
	entries, err := readDir(s.path(scratchDir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		id := ActionID(e.Name())
		if !isDigest(e.Name()) {
			continue
		}
		if _, err := os.Lstat(filepath.Join(s.scratchPath(id), intentName)); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := s.unclaimed(id, func() error { return s.finishCommit(id) }); err != nil {
			return err
		}
	}
	return s.dropAside()
}

// finishCommit finishes the commit of an action if it was interrupted after the object was in place. The caller holds the claim.
func (s *Store) finishCommit(id ActionID) error {
	path := filepath.Join(s.scratchPath(id), intentName)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	r, err := parseRecord(data, id)
	if isDamage(err) {
		return nil // Begin removes it
	} else if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	m, err := s.readObject(r.Artifact)
	if isMissing(err) || err == nil && m.Type != r.Type {
		return nil
	} else if err != nil {
		return err
	}
	if err := s.finish(id); err != nil {
		return fmt.Errorf("finish an interrupted commit of %s: %w", r.Stage, err)
	}
	return nil
}
