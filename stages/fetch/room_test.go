package fetch

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline/exit"
)

// TestFetchOfTooMuch has sources that give, or say to have, more than they may.
func TestFetchOfTooMuch(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/vast" {
			w.Header().Set("Content-Length", fmt.Sprint(int64(1)<<62))
		}
		w.Write(fetchData)
	}))
	t.Cleanup(s.Close)
	dir := t.TempDir()
	path := filepath.Join(dir, "data")
	if err := os.WriteFile(path, fetchData, 0o644); err != nil {
		t.Fatal(err)
	}
	digest, size := sum256(fetchData), int64(len(fetchData))
	vast := Source{URL: s.URL + "/vast", SHA256: digest}
	for _, test := range []struct {
		name    string
		sources []Source
		want    string // empty: it is fetched
		code    int
	}{
		{"more than there is room for", []Source{vast}, ", and 4.0 EiB are to be written; make room", exit.Resources},
		{"another source has less", []Source{vast, {URL: s.URL + "/data", SHA256: digest}}, "", exit.Done},
		{"as much as is allowed", []Source{{URL: s.URL + "/data", SHA256: digest, MaxBytes: size}}, "", exit.Done},
		{"more than is allowed", []Source{{URL: s.URL + "/data", SHA256: digest, MaxBytes: size - 1}}, "is all that max_bytes of this source allows", exit.Failed},
		{"a file of more than is allowed", []Source{{Path: path, MaxBytes: size - 1}}, "it has 64 KiB, and max_bytes of this source allows 64 KiB\ngive the path", exit.Failed},
		{"a folder of more than is allowed", []Source{{Path: dir, MaxBytes: size}}, "and max_bytes of this source allows 64 KiB", exit.Failed},
		{"a file", []Source{{Path: path, MaxBytes: size}}, "", exit.Done},
	} {
		job := newFetchJob(t)
		err := job.run(t.Context(), &Settings{Sources: test.sources})
		if exit.Code(err) != test.code || test.want != "" && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got error %v (exit code %d), want %q (%d)", test.name, err, exit.Code(err), test.want, test.code)
		}
	}
	without, with := Source{Path: path}, Source{Path: path, MaxBytes: 1}
	if diff := cmp.Diff(keyText(t, &Settings{Sources: []Source{without}}), keyText(t, &Settings{Sources: []Source{with}})); diff != "" {
		t.Errorf("max_bytes is in the key:\n%s", diff)
	}
}
