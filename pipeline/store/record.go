package store

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sealedRecord is a record as it is stored: with the SHA-256 of its text without that. Records of earlier programs have none.
type sealedRecord struct {
	Record
	SHA256 string `json:"sha256,omitempty"`
}

// seal gives a record its digest.
func seal(r Record) (sealedRecord, error) {
	data, err := encodeJSON(r)
	sum := sha256.Sum256(data)
	return sealedRecord{r, hex.EncodeToString(sum[:])}, err
}

// encodeRecord gives the text of a record and makes sure that it will read back as the record of its action.
func encodeRecord(r Record) ([]byte, error) {
	sealed, err := seal(r)
	var data []byte
	if err == nil {
		data, err = encodeJSON(sealed)
	}
	if err != nil {
		return nil, fmt.Errorf("record of %s: %w", r.Stage, err)
	}
	if _, err := parseRecord(data, r.Action); err != nil {
		return nil, fmt.Errorf("record of %s: %w", r.Stage, err)
	}
	return data, nil
}

// parseRecord reads the record of an action and refuses one that cannot be it.
func parseRecord(data []byte, id ActionID) (Record, error) {
	var stored sealedRecord
	if len(data) == 0 {
		return Record{}, errors.New("it is empty")
	}
	if err := json.Unmarshal(data, &stored); err != nil {
		return Record{}, fmt.Errorf("not a record: %w", err)
	}
	r := stored.Record
	sealed, err := seal(r)
	if err != nil {
		return Record{}, fmt.Errorf("not a record: %w", err)
	}
	text, err := encodeJSON(stored)
	switch {
	case r.Action != id:
		return Record{}, fmt.Errorf("it is the record of another action, %q", r.Action)
	case KeyID(r.Key) != id:
		return Record{}, errors.New("its key does not hash to its action")
	case !isDigest(r.Artifact):
		return Record{}, fmt.Errorf("it names no artifact but %q", r.Artifact)
	case r.Type == "":
		return Record{}, errors.New("it names no artifact type")
	case err != nil || !bytes.Equal(text, data) || stored.SHA256 != "" && stored.SHA256 != sealed.SHA256:
		return Record{}, errors.New("it is not as it was written")
	}
	return r, nil
}

// Record reads the record of an action. The error is fs.ErrNotExist where there is none.
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

// brokenRecord is a file among the records that is not one.
type brokenRecord struct {
	path string // relative to the store
	why  error
}

// scanRecords reads every record, newest first, and lists what cannot be read. A record that vanishes meanwhile is
// neither.
func (s *Store) scanRecords() ([]Record, []brokenRecord, error) {
	var records []Record
	var broken []brokenRecord
	err := s.eachShard(recordsDir, func(rel string) error {
		name := filepath.Base(rel)
		if strings.HasPrefix(name, ".") {
			return nil
		}
		id, isRecord := strings.CutSuffix(name, ".json")
		if !isRecord || !isDigest(id) || s.path(rel) != s.recordPath(ActionID(id)) {
			broken = append(broken, brokenRecord{rel, errors.New("it does not have the name of a record")})
			return nil
		}
		r, err := s.Record(ActionID(id))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			broken = append(broken, brokenRecord{rel, err})
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
