package store

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// recordFormat is the format number of records. Raise it when an older tlpipe would misread a new record.
const recordFormat = 1

// formatted is a record with its format.
type formatted struct {
	Format int `json:"format"`
	Record
}

// encodeRecord returns the text of a record, after checking that it reads back as the record of its action.
func encodeRecord(r Record) ([]byte, error) {
	text, err := encodeJSON(formatted{recordFormat, r})
	if err != nil {
		return nil, fmt.Errorf("record of %s: %w", r.Stage, err)
	}
	data := seal(text)
	if _, err := parseRecord(data, r.Action); err != nil {
		return nil, fmt.Errorf("record of %s: %w", r.Stage, err)
	}
	return data, nil
}

// parseRecord decodes and checks the record of an action. The error is damage or says that the format is newer.
func parseRecord(data []byte, id ActionID) (Record, error) {
	var stored formatted
	text, err := decodeSealed(data, recordFormat, &stored)
	if err != nil {
		return Record{}, err
	}
	r := stored.Record
	again, err := encodeJSON(stored)
	switch {
	case r.Action != id:
		return Record{}, damagef("it is the record of another action, %q", r.Action)
	case KeyID(r.Key) != id:
		return Record{}, damagef("its key does not hash to its action")
	case !isDigest(r.Artifact):
		return Record{}, damagef("it names no artifact but %q", r.Artifact)
	case r.Type == "":
		return Record{}, damagef("it names no artifact type")
	case err != nil || !bytes.Equal(again, text):
		return Record{}, damagef("it is not as tlpipe writes it")
	}
	return r, nil
}

// Record reads the record of an action. The error is fs.ErrNotExist if there is none.
func (s *Store) Record(id ActionID) (Record, error) {
	if !isDigest(string(id)) {
		return Record{}, fmt.Errorf("%q is not an action ID (64 hex digits): %w", id, fs.ErrNotExist)
	}
	data, err := os.ReadFile(s.recordPath(id))
	if err != nil {
		return Record{}, err
	}
	r, err := parseRecord(data, id)
	if err != nil {
		return Record{}, fmt.Errorf("record %s: %w", id, err)
	}
	return r, nil
}

// Records lists all records that can be read, newest first.
func (s *Store) Records() ([]Record, error) {
	records, _, err := s.scanRecords()
	return records, err
}

// brokenRecord is a damaged record.
type brokenRecord struct {
	path string // relative to the store
	why  error
}

// scanRecords returns all records, newest first, and the damaged ones. It ignores records that vanish meanwhile and files whose
// names are not those of records. The error is about a record that cannot be read now or has a newer format.
func (s *Store) scanRecords() ([]Record, []brokenRecord, error) {
	var records []Record
	var broken []brokenRecord
	err := s.eachShard(recordsDir, func(rel string) error {
		id, isRecord := strings.CutSuffix(filepath.Base(rel), ".json")
		if !isRecord || !isDigest(id) || rel != relRecord(ActionID(id)) {
			return nil
		}
		r, err := s.Record(ActionID(id))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case isDamage(err):
			broken = append(broken, brokenRecord{rel, err})
		case err != nil:
			return err
		default:
			records = append(records, r)
		}
		return nil
	})
	slices.SortFunc(records, func(a, b Record) int {
		return cmp.Or(b.Made.Compare(a.Made), cmp.Compare(a.Action, b.Action))
	})
	return records, broken, err
}

// eachShard calls f with the path, relative to the store, of each entry of the shards of objects or records, in the
// order of their names.
func (s *Store) eachShard(dir string, f func(rel string) error) error {
	shards, err := readDir(s.path(dir))
	if err != nil {
		return err
	}
	for _, shard := range shards {
		rel := filepath.Join(dir, shard.Name())
		if !shard.IsDir() {
			if err := f(rel); err != nil {
				return err
			}
			continue
		}
		entries, err := readDir(s.path(rel))
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := f(filepath.Join(rel, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}
