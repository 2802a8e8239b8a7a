package formats

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/sanitize"
	"tlpipe/stages/wording"
)

// AuditRow is a line of audit.csv: something found about an image.
type AuditRow struct {
	Path      string // of the image, as in samples.jsonl
	Split     string
	Label     string
	Finding   string
	Score     float64
	Other     string // path of the other picture of a pair
	Suggested string // label
	Content   string // ContentID of the stored pixels
}

// auditColumns are those of audit.csv. A person writes yes into the last; finding the image again needs path and content.
var auditColumns = []string{"path", "split", "label", "finding", "score", "other", "suggested", "content", "drop"}

// ContentID names the stored pixels of an image. It begins with letters: a spreadsheet would read digits as a number.
func ContentID(pixels []byte) string {
	sum := sha256.Sum256(pixels)
	return "px-" + hex.EncodeToString(sum[:8])
}

// EncodeAudit makes audit.csv. Nothing is dropped by it until a person says so.
func EncodeAudit(rows []AuditRow) ([]byte, error) {
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	if err := w.Write(auditColumns); err != nil {
		return nil, err
	}
	for _, r := range rows {
		err := w.Write([]string{sanitize.Cell(r.Path), r.Split, sanitize.Cell(r.Label), r.Finding, strconv.FormatFloat(r.Score, 'f', 4, 64),
			sanitize.Cell(r.Other), sanitize.Cell(r.Suggested), r.Content, ""})
		if err != nil {
			return nil, err
		}
	}
	w.Flush()
	return text.Bytes(), w.Error()
}

// Dropped is an image that audit.csv says to leave out.
type Dropped struct {
	Path    string // as audit.csv writes it
	Content string
	Line    int
}

// DropList are the images that an edited audit.csv says to leave out.
type DropList struct {
	File   string
	Images []Dropped // sorted by path and content, each once
}

// marks are what a person may write into the column drop.
var marks = map[string]bool{"": false, "no": false, "n": false, "0": false, "false": false, "yes": true, "y": true, "x": true, "1": true, "true": true, "drop": true}

// ReadDropList reads an audit.csv that a person has edited, also one that a spreadsheet saved with a byte order mark, CRLF,
// semicolons or tabs, with columns in another order or more of them.
func ReadDropList(path string) (*DropList, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, exit.Errorf(exit.Usage, "the list of images to leave out cannot be read: %w", err)
	}
	list := &DropList{File: path}
	if err := list.parse(text); err != nil {
		return nil, exit.Errorf(exit.Usage, "%s%w", path, err)
	}
	return list, nil
}

// parse reads the text of an audit.csv. Its errors begin with :line: or a colon.
func (l *DropList) parse(text []byte) error {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return errors.New(": the file is in UTF-16: save it as “CSV UTF-8”")
	}
	if bytes.HasPrefix(text, []byte("PK\x03\x04")) {
		return errors.New(": this is a workbook, not a CSV file: save it as “CSV UTF-8”")
	}
	if !utf8.Valid(text) { // tlpipe writes UTF-8 only; in another encoding, names would not be found
		return errors.New(": the file is not in UTF-8: save it as “CSV UTF-8”")
	}
	first, rest, _ := bytes.Cut(text, []byte("\n"))
	comma, skipped := byte(','), 0
	if sep, ok := bytes.CutPrefix(bytes.TrimRight(first, "\r"), []byte("sep=")); ok && len(sep) == 1 { // which Excel writes and reads
		comma, text, skipped = sep[0], rest, 1
	} else {
		for _, other := range []byte(";\t") {
			if bytes.Count(first, []byte{other}) > bytes.Count(first, []byte{comma}) {
				comma = other
			}
		}
	}
	r := csv.NewReader(bytes.NewReader(text))
	r.FieldsPerRecord, r.Comma = -1, rune(comma)
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return errors.New(": the file is empty; `tlpipe audit CONFIG` writes one")
	} else if err != nil {
		return fmt.Errorf(": %w", err)
	}
	at := map[string]int{}
	for i, name := range header {
		name = strings.ToLower(strings.TrimSpace(strings.TrimSuffix(name, "?")))
		if _, twice := at[name]; twice && slices.Contains(auditColumns, name) {
			return fmt.Errorf(":%d: there are two columns %q: keep the one that counts", 1+skipped, name)
		}
		at[name] = i
	}
	for _, name := range []string{"path", "content", "drop"} {
		if _, ok := at[name]; !ok {
			return fmt.Errorf(":%d: there is no column %q, only %s; `tlpipe audit CONFIG` writes a file with it", 1+skipped, name, wording.QuotedList(header))
		}
	}
	seen := map[[2]string]bool{}
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf(": %w", err)
		}
		line, _ := r.FieldPos(0)
		line += skipped
		cell := func(name string) string {
			if i := at[name]; i < len(record) {
				return record[i]
			}
			return ""
		}
		mark := strings.ToLower(strings.TrimSpace(cell("drop")))
		drop, known := marks[mark]
		if !known {
			return fmt.Errorf(":%d: the column drop says %q: write yes to leave the image out, or nothing to keep it", line, cell("drop"))
		}
		id := [2]string{cell("path"), strings.TrimSpace(cell("content"))}
		if !drop || seen[id] {
			continue
		}
		if id[0] == "" || !strings.HasPrefix(id[1], "px-") {
			return fmt.Errorf(":%d: the image to leave out is named by path and content as `tlpipe audit` writes them, received %q and %q", line, id[0], id[1])
		}
		seen[id] = true
		l.Images = append(l.Images, Dropped{id[0], id[1], line})
	}
	slices.SortFunc(l.Images, func(a, b Dropped) int { return strings.Compare(a.Path+"\x00"+a.Content, b.Path+"\x00"+b.Content) })
	return nil
}

// Digest names what the list leaves out, whatever else the file holds and in whatever order.
func (l *DropList) Digest() string {
	h := sha256.New()
	for _, i := range l.Images {
		fmt.Fprintf(h, "%q %q\n", i.Path, i.Content)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Find gives the rows of the images to leave out. An image that is not there, or holds other pixels now, is an error: the
// list was made for other data.
func (l *DropList) Find(images *Images, samples []Sample) (map[int64]bool, error) {
	wanted := map[string][]int{}
	for i, image := range l.Images {
		wanted[image.Path] = append(wanted[image.Path], i)
	}
	rows, found, named := map[int64]bool{}, make([]bool, len(l.Images)), make([]bool, len(l.Images))
	for row, s := range samples {
		list := wanted[sanitize.Cell(s.Path)]
		if len(list) == 0 {
			continue
		}
		content := ContentID(images.Pixels.Row(row))
		for _, i := range list {
			named[i] = true
			if l.Images[i].Content == content {
				rows[int64(row)], found[i] = true, true
			}
		}
	}
	for i, image := range l.Images {
		if found[i] {
			continue
		}
		why := "is not among the decoded images"
		if named[i] {
			why = "has other pixels now"
		}
		return nil, exit.Errorf(exit.Usage, "%s:%d: %s %s: the list was made for other data (%d of %d images to leave out were found); make it anew with `tlpipe audit`, or take this line out",
			l.File, image.Line, sanitize.Name(image.Path), why, count(found), len(found))
	}
	return rows, nil
}

func count(list []bool) (n int) {
	for _, v := range list {
		if v {
			n++
		}
	}
	return n
}
