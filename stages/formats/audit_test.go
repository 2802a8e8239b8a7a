package formats

import (
	"bytes"
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"
)

const auditText = "path,split,label,finding,score,other,suggested,content,drop\n" +
	"train/b;1.png,train,b,label,0.0100,,a,px-00000000000000b1,yes\n" +
	"train/a 2.png,train,a,near,0.9900,train/a 3.png,,px-00000000000000a2,\n" +
	"'=a.png,train,a,dark,0.1000,,,px-00000000000000a0,X\n" +
	"'=a.png,train,a,blurred,0.1000,,,px-00000000000000a0,yes\n"

// A spreadsheet writes the file in its own way: what is marked stays the same.
func TestDropListOfSpreadsheets(t *testing.T) {
	rewritten := func(comma rune, crlf bool) string {
		records, err := csv.NewReader(strings.NewReader(auditText)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		w := csv.NewWriter(&text)
		w.Comma, w.UseCRLF = comma, crlf
		if err := w.WriteAll(records); err != nil {
			t.Fatal(err)
		}
		return text.String()
	}
	texts := map[string]string{
		"as written":         auditText,
		"byte order mark":    "\ufeff" + auditText,
		"semicolons":         "\ufeff" + rewritten(';', true),
		"tabs":               rewritten('\t', true),
		"sep=":               "sep=;\r\n" + rewritten(';', true),
		"other column names": strings.Replace(strings.Replace(auditText, ",drop\n", ",Drop?\n", 1), "path,", " Path ,", 1),
	}
	var want string
	for _, name := range []string{"as written", "byte order mark", "semicolons", "tabs", "sep=", "other column names"} {
		list, err := ReadDropList(writeText(t, texts[name]))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(list.Images) != 2 {
			t.Errorf("%s: marked are %v", name, list.Images)
		}
		if want == "" {
			want = list.Digest()
		}
		if list.Digest() != want {
			t.Errorf("%s: another digest: %v", name, list.Images)
		}
	}
}

func TestDropListRefuses(t *testing.T) {
	var wide bytes.Buffer
	wide.WriteString("\xff\xfe")
	for _, v := range utf16.Encode([]rune(auditText)) {
		wide.Write([]byte{byte(v), byte(v >> 8)})
	}
	for name, test := range map[string]struct{ text, want string }{
		"empty":          {"", "the file is empty"},
		"no column":      {"path,content\na,px-1\n", `:1: there is no column "drop"`},
		"another file":   {"path,label,predicted\n", `:1: there is no column "content"`},
		"UTF-16":         {wide.String(), "is in UTF-16: save it as “CSV UTF-8”"},
		"workbook":       {"PK\x03\x04…", "this is a workbook"},
		"unclear mark":   {strings.Replace(auditText, ",yes\n", ",maybe\n", 1), `:2: the column drop says "maybe"`},
		"content is off": {strings.Replace(auditText, "px-00000000000000b1", "1.0E+10", 1), ":2: the image to leave out is named by path and content"},
	} {
		if _, err := ReadDropList(writeText(t, test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
	}
	if _, err := ReadDropList(filepath.Join(t.TempDir(), "none.csv")); err == nil || !strings.Contains(err.Error(), "none.csv") {
		t.Errorf("error %v", err)
	}
}

// What EncodeAudit writes is read back, and marks nothing by itself.
func TestEncodeAudit(t *testing.T) {
	text, err := EncodeAudit([]AuditRow{{Path: "=x,\"\n.png", Split: "train", Label: "@a", Finding: "label", Score: 0.5, Suggested: "b", Content: ContentID([]byte("x"))}})
	if err != nil {
		t.Fatal(err)
	}
	list, err := ReadDropList(writeText(t, string(text)))
	if err != nil || len(list.Images) != 0 {
		t.Errorf("%v, error %v", list, err)
	}
	marked := strings.TrimSuffix(string(text), "\n") + "yes\n"
	list, err = ReadDropList(writeText(t, marked))
	if err != nil || len(list.Images) != 1 {
		t.Errorf("%v, error %v", list, err)
	}
}

func writeText(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.csv")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func FuzzDropList(f *testing.F) {
	f.Add([]byte(auditText))
	f.Add([]byte("sep=;\npath;content;drop\na;px-1;x\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		l := &DropList{File: "audit.csv"}
		if l.parse(text) != nil {
			return
		}
		for _, image := range l.Images {
			if image.Path == "" || !strings.HasPrefix(image.Content, "px-") {
				t.Errorf("%+v names no image", image)
			}
		}
	})
}
