package stages

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline/config"
)

// FuzzLoadConfig gives the settings of these stages any file: nothing panics, problems are a list of them, and what is
// taken can be rendered and loaded again.
func FuzzLoadConfig(f *testing.F) {
	files, err := filepath.Glob("../configs/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), "fine-tune.epochs=3")
	}
	format, err := config.NewFormat(Defaults)
	if err != nil {
		f.Fatal(err)
	}
	once := func(t *testing.T, text string, sets ...string) (Config, bool) {
		file := filepath.Join(t.TempDir(), "x.yaml")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		c, _, err := format.Load([]string{file}, sets)
		if err == nil {
			c.Problems(func(path, format string, args ...any) {})
		}
		return c, err == nil
	}
	f.Fuzz(func(t *testing.T, text, set string) {
		c, good := once(t, text, set)
		if !good {
			return
		}
		rendered, err := config.Render(c)
		if err != nil {
			t.Fatal(err)
		}
		again, good := once(t, string(rendered))
		if !good || !cmp.Equal(c, again) {
			t.Errorf("rendered and loaded again it is another:\n%s\n%s", rendered, cmp.Diff(c, again))
		}
	})
}
