package fetch

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFetchProblems(t *testing.T) {
	sum := strings.Repeat("a", 64)
	fine := []Source{{URL: "https://host/x"}}
	for _, test := range []struct {
		name  string
		fetch Settings
		want  []string // the beginning of each problem
	}{
		{"sources", Settings{Sources: []Source{
			{URL: "https://user:pw@host/x?y"}, {URL: "http://host/x", SHA256: sum}, {Path: "x"}, {Apt: "data-x=1:2.0~a+b", Member: "y"}, {Pip: "a.b==1.0", Member: "y"},
		}}, nil},
		{"files", Settings{Files: []File{{Name: "a", Sources: fine}, {Name: "b", ContentSHA256: sum, Sources: []Source{{URL: "http://host/x"}}}}}, nil},
		{"nothing", Settings{}, []string{"stages.fetch: nothing to fetch"}},
		{"both", Settings{Sources: fine, Files: []File{{Name: "a", Sources: fine}}}, []string{"stages.fetch.files: either sources"}},
		{"digest of which file", Settings{ContentSHA256: sum, Files: []File{{Name: "a", Sources: fine}}}, []string{"stages.fetch.content_sha256: belongs to one file"}},
		{"kinds", Settings{Sources: []Source{{URL: "https://host", Path: "x"}, {SHA256: sum}}}, []string{
			"stages.fetch.sources[0]: a source is exactly one of url, path, apt and pip; received url and path",
			"stages.fetch.sources[1]: a source is exactly one of url, path, apt and pip; received none",
		}},
		{"member", Settings{Sources: []Source{{Apt: "x"}, {Pip: "x==1"}, {Path: "x.zip", Member: "y"}}}, []string{
			"stages.fetch.sources[0]: member is missing", "stages.fetch.sources[1]: member is missing", "stages.fetch.sources[2].member: member is for apt and pip",
		}},
		{"addresses", Settings{Sources: []Source{{URL: "http://host"}, {URL: "ftp://host"}, {URL: "host/x"}, {URL: "https://u:hidden@ho st"}}}, []string{
			"stages.fetch.sources[0].url: http can be tampered with", "stages.fetch.sources[1].url: scheme \"ftp\"",
			"stages.fetch.sources[2].url: not an address", "stages.fetch.sources[3].url: not an address",
		}},
		{"paths", Settings{Sources: []Source{{Path: "~/x.zip"}, {Path: "/configs/$HOME/x.zip"}, {Path: "${DATA}"}, {Path: "/configs/https:/host/x.zip"}, {Path: "s3://bucket/x"}, {Path: "a~/b$c/x~1.zip"}}}, []string{
			"stages.fetch.sources[0].path: ~ is not replaced as in a shell", "stages.fetch.sources[1].path: $HOME is not replaced", "stages.fetch.sources[2].path: ${DATA} is not replaced",
			"stages.fetch.sources[3].path: an address (https:), not a path", "stages.fetch.sources[4].path: an address (s3:)",
		}},
		{"packages", Settings{Sources: []Source{{Apt: "-o=x", Member: "y"}, {Apt: "../x", Member: "y"}, {Pip: "x", Member: "y"}, {Pip: "x==../1", Member: "y"}}}, []string{
			"stages.fetch.sources[0].apt: expected", "stages.fetch.sources[1].apt: expected", "stages.fetch.sources[2].pip: expected", "stages.fetch.sources[3].pip: expected",
		}},
		{"names", Settings{Files: []File{{Name: "a", Sources: fine}, {Name: "a", Sources: fine}, {Name: "b.partial", Sources: fine}, {Name: "c"}}}, []string{
			"stages.fetch.files[1].name: files[0] is already called a", "stages.fetch.files[2].name: names that end in .partial", "stages.fetch.files[3].sources: no source",
		}},
	} {
		var got []string
		test.fetch.Problems(func(path, format string, args ...any) {
			got = append(got, path+": "+fmt.Sprintf(format, args...))
		})
		for i, text := range got {
			if strings.Contains(text, "hidden") {
				t.Errorf("%s: a secret is shown: %s", test.name, text)
			}
			if i < len(test.want) && strings.HasPrefix(text, test.want[i]) {
				got[i] = test.want[i]
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}
