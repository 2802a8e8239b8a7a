package formats

import (
	"strings"
	"testing"
)

// TestDropListAsSaved reads audit.csv as people and spreadsheets save it. A mark is read or refused, and never passed over.
func TestDropListAsSaved(t *testing.T) {
	const id = "px-0011223344556677"
	for name, test := range map[string]struct {
		text, path string
		line       int
		wrong      string // part of the error
	}{
		"as written":           {"path,content,drop\na.jpg," + id + ",yes\n", "a.jpg", 2, ""},
		"byte order mark":      {"\xef\xbb\xbfpath,content,drop\r\na.jpg," + id + ",x\r\n", "a.jpg", 2, ""},
		"semicolons":           {"path;content;drop\na,,,,,.jpg;" + id + ";yes\n", "a,,,,,.jpg", 2, ""},
		"tabs":                 {"path\tcontent\tdrop\na.jpg\t" + id + "\tyes\n", "a.jpg", 2, ""},
		"sep=":                 {"sep=;\r\npath;content;drop\r\na, b, c, d, e, f.jpg;" + id + ";yes\r\n", "a, b, c, d, e, f.jpg", 3, ""},
		"sep= of a comma":      {"sep=,\npath,content,drop\na;b;c;d;e.jpg," + id + ",yes\n", "a;b;c;d;e.jpg", 3, ""},
		"sep= of a tab":        {"sep=\t\npath\tcontent\tdrop\na.jpg\t" + id + "\tyes\n", "a.jpg", 3, ""},
		"other case and order": {"Drop?,Content,Path\n YES ," + id + ",a.jpg\n", "a.jpg", 2, ""},
		"line break in a path": {"path,content,drop\n\"a\nb.jpg\"," + id + ",yes\n", "a\nb.jpg", 2, ""},
		"a quote left open":    {"path,content,drop\n\"a.jpg," + id + ",yes\nb.jpg," + id + ",yes\n", "", 0, `"`},
		"Latin-1":              {"path,content,drop\n\xe9.jpg," + id + ",yes\n", "", 0, "not in UTF-8"},
		"UTF-16":               {"\xff\xfep\x00", "", 0, "UTF-16"},
		"workbook":             {"PK\x03\x04", "", 0, "workbook"},
		"two columns drop":     {"path,content,drop,drop\na.jpg," + id + ",yes,\n", "", 0, `:1: there are two columns "drop"`},
		"two of them, sep=":    {"sep=,\npath,content,drop,drop\na.jpg," + id + ",yes,\n", "", 0, `:2: there are two columns "drop"`},
		"no column drop":       {"path,content\na.jpg," + id + "\n", "", 0, `no column "drop"`},
		"another word":         {"path,content,drop\na.jpg," + id + ",ja\n", "", 0, `:2: the column drop says "ja"`},
		"empty":                {"", "", 0, "the file is empty"},
	} {
		list := &DropList{}
		err := list.parse([]byte(test.text))
		if test.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), test.wrong) {
				t.Errorf("%s: the error is %v, expected one with %q", name, err, test.wrong)
			}
		} else if want := (Dropped{test.path, id, test.line}); err != nil || len(list.Images) != 1 || list.Images[0] != want {
			t.Errorf("%s: %+v, %v, expected %+v", name, list.Images, err, want)
		}
	}
}
