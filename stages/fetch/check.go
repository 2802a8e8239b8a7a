package fetch

import (
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
)

var (
	aptPackage = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]*(:[a-z0-9-]+)?(=[A-Za-z0-9.+~:-]+)?$`)
	pipPackage = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.+!_-]*$`)
)

// Problems reports invalid combinations of fetch's settings.
func (s *Settings) Problems(report func(path, format string, args ...any)) {
	const at = "stages.fetch"
	switch {
	case len(s.Sources) == 0 && len(s.Files) == 0:
		report(at, "nothing to fetch: give sources (of one file) or files (several, each with sources)")
	case len(s.Sources) > 0 && len(s.Files) > 0:
		report(at+".files", "either sources (of one file) or files (several), not both; an overlay that gives one removes the other with files: [] or sources: []")
		return
	case len(s.Files) > 0 && s.ContentSHA256 != "":
		report(at+".content_sha256", "belongs to one file: put it beside the name of the file it is the digest of")
	}
	sourceProblems(at, s.Sources, s.ContentSHA256, report)
	first := map[string]int{}
	for i, f := range s.Files {
		path := fmt.Sprintf("%s.files[%d]", at, i)
		if before, taken := first[f.Name]; taken {
			report(path+".name", "files[%d] is already called %s", before, f.Name)
		} else {
			first[f.Name] = i
		}
		if strings.HasSuffix(f.Name, ".partial") {
			report(path+".name", "names that end in .partial are those of unfinished files: choose another")
		}
		if len(f.Sources) == 0 {
			report(path+".sources", "no source says where %s can be fetched from", f.Name)
		}
		sourceProblems(path, f.Sources, f.ContentSHA256, report)
	}
}

// sourceProblems checks the sources of one file; at is the path of what lists them.
func sourceProblems(at string, list []Source, contentSHA256 string, report func(path, format string, args ...any)) {
	for i, src := range list {
		path := fmt.Sprintf("%s.sources[%d]", at, i)
		of := kindsOf(src)
		if len(of) != 1 {
			received := "none"
			if len(of) > 1 {
				received = strings.Join(namesOf(of), " and ")
			}
			names := namesOf(kinds())
			last := len(names) - 1
			report(path, "a source is exactly one of %s and %s; received %s", strings.Join(names[:last], ", "), names[last], received)
			continue
		}
		k := of[0]
		if k.inPackage && src.Member == "" {
			report(path, "member is missing: which file of the package is meant, such as member: usr/share/datasets/x.gz")
		}
		if !k.inPackage && src.Member != "" {
			report(path+".member", "member is for apt and pip only; decode reads archives without unpacking them")
		}
		if problem := k.problem(src, (File{ContentSHA256: contentSHA256}).pinned(src)); problem != "" {
			report(path+"."+k.name, "%s", problem)
		}
	}
}

// namesOf returns the names of kinds.
func namesOf(kinds []kind) (names []string) {
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

var (
	variable = regexp.MustCompile(`(^|/)(\$\w+|\$\{\w+\}|~\w*)(/|$)`)
	address  = regexp.MustCompile(`(^|/)(https?|s3|gs|ftp|file):/`)
)

// pathProblem returns what is wrong with a path, which may have been joined to the folder of the config already.
func pathProblem(path string) string {
	if m := address.FindStringSubmatch(path); m != nil {
		return fmt.Sprintf("an address (%s:), not a path; for one of https, url", m[2])
	}
	if m := variable.FindStringSubmatch(path); m != nil {
		if _, err := os.Lstat(path); err != nil { // a file may have such a name
			return fmt.Sprintf("%s is not replaced as in a shell: write the path out", m[2])
		}
	}
	return ""
}

// addressProblem returns what is wrong with an address, without showing it, since it may contain secrets.
func addressProblem(address string, pinned bool) string {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "":
		return "not an address; expected one such as https://example.org/data.zip (for a local file: path)"
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Sprintf("scheme %q: expected https, or http with a digest", u.Scheme)
	case u.Scheme == "http" && !pinned:
		return "http can be tampered with on the way: add sha256 or md5, or use https"
	}
	return ""
}
