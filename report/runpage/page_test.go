package runpage

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"tlpipe/report/runs"
)

// TestPage parses pages of odd runs: each ID is there once, each reference leads to one, nothing is loaded from outside,
// and what classes are called is text, whatever it holds.
func TestPage(t *testing.T) {
	hostile := []string{"<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "</script><b>", strings.Repeat("long ", 40), "שלום עולם"}
	thousand := make([]string, 1000)
	for i := range thousand {
		thousand[i] = fmt.Sprintf("class %d", i)
	}
	for _, test := range []struct {
		name string
		run  func(t *testing.T) *Run
	}{
		{"ordinary", func(t *testing.T) *Run { return sample(t, []string{"ant", "bee", "cat"}, 60, 32) }},
		{"hostile names", func(t *testing.T) *Run { return sample(t, hostile, 100, 32) }},
		{"two classes, five images", func(t *testing.T) *Run { return sample(t, []string{"ant", "bee"}, 5, 300) }},
		{"a thousand classes", func(t *testing.T) *Run { return sample(t, thousand, 3000, 8) }},
		{"ten thousand images", func(t *testing.T) *Run {
			return sample(t, []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}, 10_000, 32)
		}},
		{"no val", func(t *testing.T) *Run {
			r := sample(t, []string{"ant", "bee"}, 20, 32)
			for i := range r.History {
				r.History[i].ValLoss, r.History[i].ValAccuracy = nil, nil
			}
			return r
		}},
		{"images and probabilities gone", func(t *testing.T) *Run {
			r := sample(t, []string{"ant", "bee"}, 20, 32)
			r.Images, r.probabilities, r.Lacks = nil, nil, []string{"the decoded images are gone"}
			return r
		}},
		{"nothing but a record", func(t *testing.T) *Run {
			return &Run{Stored: runs.Stored{ID: "20261128-120000-x-0000", Status: "failed", Error: "<b>no</b>"}}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			run := test.run(t)
			page, err := Page(run)
			if err != nil {
				t.Fatal(err)
			}
			checkPage(t, string(page))
		})
	}
}

func checkPage(t *testing.T, page string) {
	t.Helper()
	if len(page) > 3<<20 {
		t.Errorf("the page has %d bytes", len(page))
	}
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	ids, refs, policy, scripts := map[string]int{}, []string{}, "", []string{}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		attributes := map[string]string{}
		for _, a := range n.Attr {
			attributes[a.Key] = a.Val
			if strings.HasPrefix(a.Key, "on") {
				t.Errorf("%s has %s=%q", n.Data, a.Key, a.Val)
			}
			if strings.Contains(a.Val, "NaN") || strings.Contains(a.Val, "Inf") || strings.Contains(a.Val, "ZgotmplZ") {
				t.Errorf("%s has %s=%q", n.Data, a.Key, a.Val)
			}
		}
		if id, ok := attributes["id"]; ok {
			ids[id]++
		}
		for _, key := range []string{"aria-labelledby", "aria-describedby", "aria-controls", "for"} {
			if v := attributes[key]; v != "" {
				refs = append(refs, strings.Fields(v)...)
			}
		}
		if v := attributes["href"]; v != "" {
			if !strings.HasPrefix(v, "#") {
				t.Errorf("%s leads to %s", n.Data, v)
			}
			refs = append(refs, strings.TrimPrefix(v, "#"))
		}
		if src := attributes["src"]; src != "" && !strings.HasPrefix(src, "data:image/") {
			t.Errorf("%s loads %.100s", n.Data, src)
		}
		switch n.Data {
		case "b":
			if n.FirstChild == nil || n.FirstChild.Data == "no" {
				t.Error("a name has become markup")
			}
		case "meta":
			if attributes["http-equiv"] == "Content-Security-Policy" {
				policy = attributes["content"]
			}
		case "script":
			if attributes["type"] == "" {
				scripts = append(scripts, n.FirstChild.Data)
			}
		}
	}
	for id, n := range ids {
		if n != 1 {
			t.Errorf("%d elements have the ID %s", n, id)
		}
	}
	for _, ref := range refs {
		if ids[ref] == 0 {
			t.Errorf("nothing has the ID %q", ref)
		}
	}
	if len(scripts) != 1 {
		t.Fatalf("%d scripts", len(scripts))
	}
	hash := sha256.Sum256([]byte(scripts[0]))
	if !strings.Contains(policy, base64.StdEncoding.EncodeToString(hash[:])) || !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("the policy %q does not allow the script alone", policy)
	}
}
