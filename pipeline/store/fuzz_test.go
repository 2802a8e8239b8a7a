package store

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

// What is accepted must read back the same: else an edit could change a record without being seen.
func FuzzRecord(f *testing.F) {
	r := testRecord("x")
	r.Action, r.Artifact, r.Type = KeyID(r.Key), strings.Repeat("0a", 32), "images"
	data, err := encodeRecord(r)
	if err != nil {
		f.Fatal(err)
	}
	text, _ := unseal(data)
	f.Add(text)
	f.Add(text[:len(text)/2])
	f.Add(bytes.ToUpper(text))
	f.Add([]byte(`{"format": 1, "action": null, "key": [{}], "made": "0000-00-00T00:00:00Z"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := parseRecord(data, KeyID(testKey("x"))); err == nil {
			t.Errorf("accepted without a digest: %q", data)
		}
		r, err := parseRecord(seal(data), KeyID(testKey("x")))
		if err != nil {
			if !reflect.DeepEqual(r, Record{}) {
				t.Errorf("an error and %+v", r)
			}
			return
		}
		if !isDigest(r.Artifact) || KeyID(r.Key) != r.Action {
			t.Errorf("accepted %+v", r)
		}
		text, err := encodeRecord(r)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := parseRecord(text, r.Action); err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("%+v reads back as %+v, %v", r, again, err)
		}
	})
}

func FuzzManifest(f *testing.F) {
	sum := strings.Repeat("0a", 32)
	m := manifest{Format: manifestFormat, Type: "images", Identity: "i", Files: []manifestFile{{"a", 1, sum}, {"b/c", 2, sum}}}
	data, _, err := m.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:len(data)/2])
	for _, path := range []string{"../a", "/a", "a//b", ".", "", "manifest.json", `a\u0000`} {
		f.Add(bytes.Replace(data, []byte(`"a"`), []byte(`"`+path+`"`), 1))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseManifest(data)
		if err != nil {
			if !reflect.DeepEqual(m, manifest{}) {
				t.Errorf("an error and %+v", m)
			}
			return
		}
		for _, file := range m.Files {
			if strings.HasPrefix(file.Path, "/") || strings.Contains("/"+file.Path+"/", "/../") || file.Path == manifestName {
				t.Errorf("accepted the path %q", file.Path)
			}
		}
		text, id, err := m.encode()
		if err != nil || id != manifestID(text) {
			t.Fatalf("%s, %v", id, err)
		}
		again, err := parseManifest(text)
		if len(m.Files) == 0 {
			m.Files = []manifestFile{}
		}
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("%+v reads back as %+v, %v", m, again, err)
		}
	})
}
