package sanitize

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"plain, ünïcödé 10\u00a0%\n\ttab":   "plain, ünïcödé 10\u00a0%\n\ttab",
		"\x1b[31mred\x1b[0m":                `\u001b[31mred\u001b[0m`,
		"\x1b]0;title\a":                    `\u001b]0;title\u0007`,
		"over\rwritten, ra\bng":             `over\u000dwritten, ra\u0008ng`,
		"\u009b31m":                         `\u009b31m`,
		"\x7f\x00":                          `\u007f\u0000`,
		"\xff\xfe, latin caf\xe9":           `\xff\xfe, latin caf\xe9`,
		"cod\u202egpj.exe":                  `cod\u202egpj.exe`,
		"a\u2028b":                          `a\u2028b`,
		"zero\u200bwidth":                   `zero\u200bwidth`,
		"tag \U000e0041":                    `tag \udb40\udc41`,
		"👩\u200d🔬 \u0645\u06cc\u200c\u062e": "👩\u200d🔬 \u0645\u06cc\u200c\u062e",
		"\ufffd":                            "\ufffd",
	} {
		if got := Text(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func TestName(t *testing.T) {
	for name, want := range map[string]string{"a b.png": "a b.png", "图像": "图像", "a\x1b[2J": `"a\x1b[2J"`, "a\nb": `"a\nb"`, "\xff": `"\xff"`} {
		if got := Name(name); got != want {
			t.Errorf("%q: %s, expected %s", name, got, want)
		}
	}
}

func TestNamesStayDifferent(t *testing.T) {
	names := []string{"a", "\xff", "\xfe", "\ufffd", `"\xff"`, `\xff`, "a\nb", `a\nb`, "=1+1", "'=1+1", "''=1+1", "-x", "+x", "@x", "\tx", "\rx", "", "'"}
	for name, form := range map[string]func(string) string{"Name": Name, "Cell": Cell, "UTF8": UTF8} {
		seen := map[string]string{}
		for _, n := range names {
			got := form(n)
			if other, taken := seen[got]; taken {
				t.Errorf("%s: %q and %q both become %s", name, other, n, got)
			}
			seen[got] = n
			if !utf8.ValidString(got) || name != "UTF8" && strings.ContainsAny(got, "\n\t\r\x1b") {
				t.Errorf("%s: %q becomes %q", name, n, got)
			}
			if name == "Cell" && got != "" && strings.ContainsRune("=+-@\t\r", rune(got[0])) {
				t.Errorf("a spreadsheet computes %q", got)
			}
		}
	}
}

// TestWriter cuts a text anywhere, as buffers do.
func TestWriter(t *testing.T) {
	const text = "käse \x1b[1m 👩 \xff 日本\n"
	for cut := range len(text) {
		var out bytes.Buffer
		w := NewWriter(&out)
		for _, part := range []string{text[:cut], text[cut:]} {
			if n, err := io.WriteString(w, part); n != len(part) || err != nil {
				t.Fatal(n, err)
			}
		}
		if got := out.String(); got != Text(text) {
			t.Errorf("cut at %d: %q", cut, got)
		}
	}
}

func TestWriterKeepsJSON(t *testing.T) {
	want := "\u009b \u202e \U000e0041 \x7f"
	var out bytes.Buffer
	if err := json.NewEncoder(NewWriter(&out)).Encode(want); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got != want {
		t.Errorf("%s: %q, %v", out.Bytes(), got, err)
	}
}

func TestWriterRemembersErrors(t *testing.T) {
	full := errors.New("full")
	w := NewWriter(failing{full})
	if _, err := io.WriteString(w, "x"); !errors.Is(err, full) || !errors.Is(w.Err(), full) {
		t.Error(err, w.Err())
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func FuzzText(f *testing.F) {
	f.Add("\x1b[31m\xff\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		got := Text(s)
		if !utf8.ValidString(got) || Text(got) != got {
			t.Errorf("%q becomes %q", s, got)
		}
		if unquoted, err := strconv.Unquote(UTF8(s)); err == nil && !utf8.ValidString(s) && unquoted != s {
			t.Errorf("%q comes back as %q", s, unquoted)
		}
	})
}
