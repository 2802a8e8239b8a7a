package sanitize

import (
	"io"
	"sync"
	"unicode/utf8"
)

// Writer passes on what is written to it, sanitized as by Text. It is safe for concurrent use.
type Writer struct {
	Failed func(error) // if set, told of each error of the writer behind this one

	to io.Writer

	mu   sync.Mutex
	rest []byte // the beginning of a character whose end has not been written yet
	err  error
}

// NewWriter makes a Writer that writes to w.
func NewWriter(w io.Writer) *Writer { return &Writer{to: w} }

// Write writes all of p, but for the beginning of a character at its end, which waits for the next call.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := append(w.rest, p...)
	whole := len(text) - unfinished(text)
	w.rest = append([]byte(nil), text[whole:]...)
	if _, err := io.WriteString(w.to, Text(string(text[:whole]))); err != nil {
		w.err = err
		if w.Failed != nil {
			w.Failed(err)
		}
		return 0, err
	}
	return len(p), nil
}

// Err is the last error of the writer behind this one, for those who print without looking; nil if all went well.
func (w *Writer) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Unwrap is the writer behind this one.
func (w *Writer) Unwrap() io.Writer { return w.to }

// unfinished is the number of bytes at the end of text that begin a character and do not end it.
func unfinished(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if tail := text[len(text)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}
