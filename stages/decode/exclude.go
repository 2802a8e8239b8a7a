package decode

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"golang.org/x/text/unicode/norm"

	"tlpipe/stages/archivefs"
	"tlpipe/stages/wording"
)

// Excluded says whether one of the patterns matches the name or a folder it lies in. As in .gitignore, a pattern with a
// slash that is not its last character is matched with the path, any other with the last part of it.
func Excluded(patterns []string, name string) bool {
	for _, pattern := range patterns {
		pattern = strings.TrimSuffix(pattern, "/")
		whole := strings.Contains(pattern, "/")
		pattern = strings.TrimPrefix(pattern, "/")
		for part := name; part != "."; part = path.Dir(part) {
			subject := part
			if !whole {
				subject = path.Base(part)
			}
			if ok, _ := path.Match(pattern, subject); ok { // problems reports a bad pattern
				return true
			}
		}
	}
	return false
}

// Excluding is the pattern that excluded matches with a folder, and with nothing else.
func Excluding(folder string) string {
	if !strings.Contains(folder, "/") {
		return "/" + patternOf(folder)
	}
	return patternOf(folder)
}

// patternOf is the pattern of decode.exclude that matches a name.
func patternOf(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}

// How patterns are written elsewhere that here would leave nothing out, or something else.
var (
	negatedRange = regexp.MustCompile(`(^|[^\\])\[!`)
	choice       = regexp.MustCompile(`(^|[^\\])\{([^{}]*,[^{}]*)\}`)
	escaped      = regexp.MustCompile(`\\[\pL\pN]`)
)

// patternProblem says what is wrong with a pattern of decode.exclude, and what to write; "" if nothing is.
func patternProblem(pattern string) string {
	_, invalid := path.Match(pattern, "")
	write := func(what string, patterns ...string) string { return what + ": write " + FlowList(patterns) }
	rooted := strings.HasPrefix(pattern, "/")
	inside := strings.Trim(pattern, "/")
	switch {
	case pattern == "":
		return "an empty pattern leaves nothing out: remove it"
	case strings.TrimSpace(pattern) != pattern:
		return write(fmt.Sprintf("%q has a blank at an end, which no name has", pattern), strings.TrimSpace(pattern))
	case strings.HasPrefix(pattern, "!"):
		return write(fmt.Sprintf("%q takes nothing back that another pattern leaves out: write patterns that match only what is to go, and remove this one; for a name that begins with !", pattern), `\`+pattern)
	case escaped.MatchString(pattern):
		return write(fmt.Sprintf("%q: folders are separated by /, and \\ only takes the meaning from *, ?, [ and \\", pattern), strings.ReplaceAll(pattern, `\`, "/"))
	case strings.Contains(pattern, "**"):
		everywhere := strings.TrimPrefix(strings.TrimSuffix(strings.TrimSuffix(pattern, "/**"), "/*"), "**/")
		switch from := strings.TrimPrefix(everywhere, "/"); {
		case from == "" || strings.Trim(from, "*/") == "":
			return fmt.Sprintf("%q would leave everything out: remove it", pattern)
		case strings.Contains(from, "**"):
			return write(fmt.Sprintf("%q: ** is not known, * stands for one folder", pattern), strings.ReplaceAll(from, "**", "*"))
		case strings.HasPrefix(pattern, "**/") && !strings.Contains(from, "/"):
			return write(fmt.Sprintf("%q: ** is not known, and a pattern without / matches in every folder", pattern), from)
		case strings.HasPrefix(pattern, "**/"):
			return write(fmt.Sprintf("%q: ** is not known, * stands for one folder", pattern), from, "*/"+from)
		default:
			return write(fmt.Sprintf("%q: ** is not known, and a folder goes with all that is in it", pattern), "/"+from)
		}
	case negatedRange.MatchString(pattern):
		return write(fmt.Sprintf("%q: ! does not negate a range, ^ does", pattern), negatedRange.ReplaceAllString(pattern, "$1[^"))
	case choice.MatchString(pattern):
		return write(fmt.Sprintf("%q: braces are no choice, each pattern stands alone", pattern), choices(pattern)...)
	case invalid != nil:
		return write(fmt.Sprintf("%q is not a valid pattern: * stands for any characters but /, ? for one, [a-z] for a range; for the characters themselves", pattern), patternOf(pattern))
	case inside == "" || inside == "." || path.Clean(inside) == "..":
		return fmt.Sprintf("%q is no name in the data: remove it, or write which folder or file is left out", pattern)
	case path.Clean(inside) != inside || strings.HasPrefix(inside, "../"):
		clean := strings.TrimPrefix(path.Clean("/"+inside), "/")
		if rooted || !strings.Contains(clean, "/") {
			clean = "/" + clean
		}
		return write(fmt.Sprintf("%q: names in the data begin at its top", pattern), clean)
	}
	return ""
}

// choices writes a pattern with braces as one for each of what they offer.
func choices(pattern string) (patterns []string) {
	at := choice.FindStringSubmatchIndex(pattern)
	if at == nil {
		return []string{pattern}
	}
	for option := range strings.SplitSeq(pattern[at[4]:at[5]], ",") {
		patterns = append(patterns, choices(pattern[:at[3]]+option+pattern[at[1]:])...)
	}
	return patterns
}

// noteUseless names the patterns that match nothing in an archive, also below folders that all stands in.
func (f *imageFolder) noteUseless(patterns []string, entries []archivefs.Entry) {
	useless := make([]string, 0, len(patterns))
	for _, pattern := range patterns {
		matches := func() bool {
			for _, e := range entries {
				for name := norm.NFC.String(e.Name); name != ""; {
					if Excluded([]string{pattern}, name) {
						return true
					}
					_, name, _ = strings.Cut(name, "/")
				}
			}
			return false
		}
		if !matches() {
			useless = append(useless, pattern)
		}
	}
	if len(useless) > 0 {
		f.notes = append(f.notes, fmt.Sprintf("decode.exclude: nothing in the data matches %s %s", wording.Plural(len(useless), "the pattern", "the patterns"), wording.QuotedList(useless)))
	}
}
