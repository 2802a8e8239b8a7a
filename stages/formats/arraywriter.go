package formats

import (
	"errors"
	"fmt"
)

// ArrayWriter writes a .npy file, as WriteArray does, while its rows are made, in any order.
type ArrayWriter struct {
	dtype string
	row   []int // shape of a row
	rows  int
	bytes int // of a row

	file *atomicFile
}

// NewArrayWriter begins a file of so many rows.
func NewArrayWriter(path, dtype string, rows int, row ...int) (*ArrayWriter, error) {
	bytes, err := arrayBytes(dtype, row)
	if err != nil {
		return nil, fmt.Errorf("write array %s: %w", path, err)
	}
	file, err := createAtomic(path)
	if err != nil {
		return nil, err
	}
	w := &ArrayWriter{dtype: dtype, row: row, rows: rows, bytes: bytes, file: file}
	if _, err := file.WriteAt(w.header(rows), 0); err != nil {
		return nil, errors.Join(err, file.abandon())
	}
	return w, nil
}

func (w *ArrayWriter) header(rows int) []byte {
	return arrayHeader(w.dtype, append([]int{rows}, w.row...))
}

// WriteRows writes elements, little endian, from row first on. It may be called from several goroutines.
func (w *ArrayWriter) WriteRows(first int, data []byte) error {
	if len(data)%w.bytes != 0 || first < 0 || first+len(data)/w.bytes > w.rows {
		return fmt.Errorf("write array %s: %d bytes at row %d are no rows of %v among %d", w.file.path, len(data), first, w.row, w.rows)
	}
	_, err := w.file.WriteAt(data, int64(len(w.header(w.rows))+first*w.bytes))
	return err
}

// Commit puts the file in its place, but for the rows at these indices, which ascend: those behind them move up.
func (w *ArrayWriter) Commit(without []int) error {
	if len(without) > 0 {
		if err := w.leaveOut(without); err != nil {
			return errors.Join(err, w.file.abandon())
		}
	}
	return w.file.commit()
}

func (w *ArrayWriter) leaveOut(without []int) error {
	rows := w.rows - len(without)
	header, from := w.header(rows), int64(len(w.header(w.rows)))
	to := int64(len(header)) // no longer than the one before, so that no row is overwritten before it is moved
	row := make([]byte, w.bytes)
	for i := range w.rows {
		if len(without) > 0 && without[0] == i {
			without = without[1:]
		} else {
			if from != to {
				if _, err := w.file.ReadAt(row, from); err != nil {
					return err
				}
				if _, err := w.file.WriteAt(row, to); err != nil {
					return err
				}
			}
			to += int64(w.bytes)
		}
		from += int64(w.bytes)
	}
	if _, err := w.file.WriteAt(header, 0); err != nil {
		return err
	}
	return w.file.truncate(to)
}

// Abandon leaves what was there before.
func (w *ArrayWriter) Abandon() error { return w.file.abandon() }
