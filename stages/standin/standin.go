// Package standin recognizes small files that stand in for data without holding any: the pointers that Git LFS, git-annex and
// DVC leave in a clone, and the error pages that a server sends in place of a file.
package standin

import (
	"bytes"
	"strings"
)

// Head is the number of first bytes of a file that Of needs.
const Head = 512

// Of recognizes a stand-in by the first bytes of a file, and returns what it is and what to do about it; "" if the file may be
// what is wanted. wanted names that in the message, such as "an image".
func Of(head []byte, wanted string) string {
	other := func(what, advice string) string { return what + ", not " + wanted + "; " + advice }
	const (
		clone = " in the clone that it is from"
		look  = "look at what its address gives in a browser"
	)
	text := string(bytes.ToLower(bytes.TrimLeft(head[:min(len(head), Head)], "\xef\xbb\xbf \t\r\n")))
	begins := func(with ...string) bool {
		for _, w := range with {
			if strings.HasPrefix(text, w) {
				return true
			}
		}
		return false
	}
	switch {
	case begins("version https://git-lfs.github.com/spec/", "version https://hawser.github.com/spec/"):
		return other("a pointer of Git LFS", "run `git lfs pull`"+clone)
	case strings.HasPrefix(strings.TrimLeft(text, "./"), "git/annex/objects/"), begins("/annex/objects/"):
		return other("a pointer of git-annex", "run `git annex get`"+clone)
	case begins("outs:\n- ", "outs:\r\n- "):
		return other("a pointer of DVC", "run `dvc pull`"+clone)
	case begins("<!doctype html", "<html"), begins("<") && strings.Contains(text, "<html"):
		return other("a web page (HTML)", look)
	case begins("<error>", "<?xml") && strings.Contains(text, "<error>"):
		return other("an error message of a server (XML)", look)
	case begins("{") && (strings.Contains(text, `"error`) || strings.Contains(text, `"message"`) || strings.Contains(text, `"detail"`)):
		return other("a message of a server (JSON)", look)
	}
	return ""
}
