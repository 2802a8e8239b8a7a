package standin

import (
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"Git LFS":             {"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "a pointer of Git LFS, not an image; run `git lfs pull` in the clone that it is from"},
		"Git LFS, old":        {"version https://hawser.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "`git lfs pull`"},
		"git-annex":           {"/annex/objects/SHA256E-s1048576--30e1.png\n", "`git annex get`"},
		"git-annex, a link":   {"../../.git/annex/objects/xW/0q/SHA256E-s1--30e1.png/SHA256E-s1--30e1.png", "`git annex get`"},
		"DVC":                 {"outs:\n- md5: a304afb96060aad90176268345e10355\n  path: data.zip\n", "`dvc pull`"},
		"web page":            {"\ufeff\n <!DOCTYPE html>\n<html>", "a web page (HTML)"},
		"web page, plain":     {"<HTML><head></head>", "a web page (HTML)"},
		"web page in XHTML":   {"<?xml version=\"1.0\"?>\n<html xmlns=\"x\">", "a web page (HTML)"},
		"error of a store":    {"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code>", "(XML)"},
		"error of an API":     {`{"error": {"code": 404}}`, "(JSON)"},
		"message of an API":   {`{"message":"Not Found","status":"404"}`, "(JSON)"},
		"nothing":             {"", ""},
		"a PNG":               {"\x89PNG\r\n\x1a\n", ""},
		"a zip":               {"PK\x03\x04 <html>", ""},
		"a drawing":           {"<svg xmlns=\"http://www.w3.org/2000/svg\">", ""},
		"text":                {"hello, world", ""},
		"a list of something": {`{"classes": ["ant", "bee"]}`, ""},
	} {
		if got := Of([]byte(c.file), "an image"); got == "" != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, expected %q", name, got, c.want)
		}
	}
}
