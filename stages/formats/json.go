package formats

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
)

// WriteJSON writes v as indented JSON, atomically.
func WriteJSON(path string, v any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return WriteFileAtomic(path, text.Bytes())
}

// ReadJSONLines reads values until the end of r.
func ReadJSONLines[T any](r io.Reader) ([]T, error) {
	var values []T
	for dec := json.NewDecoder(r); ; {
		var v T
		if err := dec.Decode(&v); errors.Is(err, io.EOF) {
			return values, nil
		} else if err != nil {
			return nil, fmt.Errorf("line %d: %w", len(values)+1, err)
		}
		values = append(values, v)
	}
}

// WriteJSONLines writes one line of JSON for each value, atomically.
func WriteJSONLines[T any](path string, values iter.Seq[T]) error {
	f, err := createAtomic(path)
	if err != nil {
		return err
	}
	text := bufio.NewWriterSize(f, 64<<10)
	enc := json.NewEncoder(text)
	enc.SetEscapeHTML(false)
	for v := range values {
		if err := enc.Encode(v); err != nil {
			return errors.Join(fmt.Errorf("write %s: %w", path, err), f.abandon())
		}
	}
	if err := text.Flush(); err != nil {
		return errors.Join(err, f.abandon())
	}
	return f.commit()
}
