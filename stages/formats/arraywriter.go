package formats

import (
	"bufio"
	"errors"
	"fmt"
	"hash"
)

// ArrayWriter writes a .npy file, as WriteArray does, while its rows are made.
type ArrayWriter struct {
	dtype string
	row   []int // shape of a row
	rows  int   // as the header says

	file     *atomicFile
	buffered *bufio.Writer
	sum      hash.Hash32
	bytes    int
}

// NewArrayWriter begins a file of so many rows; it may come to be fewer.
func NewArrayWriter(path, dtype string, rows int, row ...int) (*ArrayWriter, error) {
	file, err := createAtomic(path)
	if err != nil {
		return nil, err
	}
	w := &ArrayWriter{dtype: dtype, row: row, rows: rows, file: file, buffered: bufio.NewWriterSize(file, 64<<10), sum: newChecksum()}
	if _, err := file.Write(w.header()); err != nil {
		return nil, errors.Join(err, file.abandon())
	}
	return w, nil
}

func (w *ArrayWriter) header() []byte { return arrayHeader(w.dtype, append([]int{w.rows}, w.row...)) }

// Write adds elements, little endian.
func (w *ArrayWriter) Write(data []byte) (int, error) {
	w.sum.Write(data)
	w.bytes += len(data)
	return w.buffered.Write(data)
}

// Commit puts the file in its place and gives the checksum of its data.
func (w *ArrayWriter) Commit() (string, error) {
	err := w.buffered.Flush()
	if err == nil {
		err = w.setRows()
	}
	if err != nil {
		return "", errors.Join(err, w.file.abandon())
	}
	return checksumText(w.sum), w.file.commit()
}

// setRows writes the header again where there are fewer rows than it says.
func (w *ArrayWriter) setRows() error {
	size := Product(w.row) * ItemSize(w.dtype)
	rows, length := w.bytes/size, len(w.header())
	if rows == w.rows {
		return nil
	}
	w.rows = rows
	header := w.header()
	if w.bytes%size != 0 || len(header) != length {
		return fmt.Errorf("write array %s: %d bytes are no rows of %v", w.file.path, w.bytes, w.row)
	}
	_, err := w.file.WriteAt(header, 0)
	return err
}

// Abandon leaves what was there before.
func (w *ArrayWriter) Abandon() error { return w.file.abandon() }
