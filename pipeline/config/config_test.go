package config

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline/exit"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// Each testdata/bad-*.yaml has problems, as its golden file prints them.
func TestProblems(t *testing.T) {
	files, err := filepath.Glob("testdata/bad-*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no test files", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, _, err := Load([]string{filepath.ToSlash(file)}, nil, bakeryDefaults)
			if err == nil {
				t.Fatal("loaded without a problem")
			}
			if code := exit.Code(err); code != exit.Usage {
				t.Errorf("exit code %d", code)
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", err.Error()+"\n")
		})
	}
}

func TestSetProblems(t *testing.T) {
	sets := []string{
		"", "=3", "name", "nam=x", "knead.minuts=3", "minutes=3", "steps.knead.minutes=many", "knead.minutes=0", "ovens.size.0=3",
		"name.first=x", "ovens.racks=3", "ovens.size=[1, 2", "knead.grams.flour=lots", "ovens.fuel=", "ovens=3", "ovens.count=a: b: c",
		"steps.mix.minutes=3", "buy.shops=[{nme: x}]", "steps=[knead: {minutes: 2.5}]", "ovens.door.open=yes",
	}
	_, _, err := Load([]string{"testdata/good.yaml"}, sets, bakeryDefaults)
	if err == nil {
		t.Fatal("loaded without a problem")
	}
	// Only the last value of a setting counts, so each set is also loaded alone.
	var texts []string
	for _, set := range sets {
		if _, _, err := Load([]string{"testdata/good.yaml"}, []string{set}, bakeryDefaults); err != nil {
			texts = append(texts, err.Error())
		} else {
			texts = append(texts, set+": no problem")
		}
	}
	golden(t, "testdata/sets.golden", strings.Join(texts, "\n\n")+"\n")
}

func TestMissingFiles(t *testing.T) {
	_, src, err := Load([]string{"testdata/goood.yaml", "testdata", "testdata/bad-types.yaml"}, []string{"naem=x"}, bakeryDefaults)
	var ps Problems
	if !errors.As(err, &ps) {
		t.Fatalf("got %v", err)
	}
	for i, want := range []string{
		"testdata/goood.yaml: there is no such file\n  did you mean \"testdata/good.yaml\"?",
		"testdata: the file cannot be read: is a directory",
	} {
		if got := ps[i].String(); got != want {
			t.Errorf("problem %d:\n%s\nwant\n%s", i, got, want)
		}
	}
	if last := ps[len(ps)-1]; last.File != "--set naem=x" || len(ps) < 5 {
		t.Errorf("%d problems, the last of %s: those of readable files are missing", len(ps), last.File)
	}
	if src.At("name").File != "testdata/bad-types.yaml" {
		t.Errorf("name is at %v", src.At("name"))
	}
}

func load(t *testing.T, yaml string, sets ...string) (bakery, *Source, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "x.yaml")
	if err := os.WriteFile(file, []byte(yaml), 0o644); err != nil {
		t.Fatal(err)
	}
	return Load([]string{file}, sets, bakeryDefaults)
}

func TestDefaults(t *testing.T) {
	got, src, err := load(t, "name: a\nsteps:\n  - knead:\n  - bake-it: {labels: {x: y}}\n")
	if err != nil {
		t.Fatal(err)
	}
	want := bakeryDefaults()
	want.Name, want.Steps.Buy, want.Steps.BakeIt.Labels = "a", nil, map[string]string{"x": "y"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if src.Given("knead.minutes") || !src.Given("bake-it.labels.x") || !src.Given("steps.knead") {
		t.Error("Given does not tell what the file gives")
	}
	none, _, err := Load(nil, []string{"name=a"}, bakeryDefaults)
	if err != nil || none.Steps != (steps{}) {
		t.Errorf("no file: %+v, %v", none, err)
	}
}

// A list or a map that is given replaces the default as a whole.
func TestReplace(t *testing.T) {
	got, _, err := load(t, "name: a\novens: {size: [1, 2], racks: [top, low], small: -128}\nsteps: [knead: {grams: {rye: 1}, seed: null}]\n")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]float64{"rye": 1}, got.Steps.Knead.Grams); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(words{"top", "low"}, got.Ovens.Racks); diff != "" || got.Ovens.Size[1] != 2 || got.Steps.Knead.Seed != nil {
		t.Errorf("%+v", got)
	}
}

func TestMergeAndSets(t *testing.T) {
	got, src, err := Load([]string{"testdata/good.yaml", "testdata/more/overlay.yaml"},
		[]string{"knead.minutes=3", "ovens.racks=[top, low]", "steps.knead.grams.salt=2", "ovens.manual=other.pdf", "bake-it.heat=180"}, bakeryDefaults)
	if err != nil {
		t.Fatal(err)
	}
	abs := func(path string) string {
		abs, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		return abs
	}
	seed := int64(7)
	want := bakery{
		Name: "good",
		Seed: 5,
		Ovens: oven{Count: 3, Fuel: "wood", Racks: words{"top", "low"}, Size: []int{60, 40}, Door: door{Open: true, Angle: 45},
			Manual: abs("other.pdf"), Notes: []string{"2024-01-01", "new"}},
		Steps: steps{
			Buy:    &buy{Shops: []shop{{Name: "corner", List: abs("testdata/lists/short.txt"), Open: 9}, {Name: "none"}}},
			Knead:  &knead{Minutes: 3, Seed: &seed, Grams: map[string]float64{"flour": 700, "water": 400, "salt": 2}},
			BakeIt: &bakeIt{Heat: 180},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for path, want := range map[string]string{
		"name":                "testdata/good.yaml:3:7",
		"ovens":               "testdata/good.yaml:5:1",
		"ovens.fuel":          "testdata/good.yaml:6:9",
		"ovens.door.open":     "testdata/more/overlay.yaml:4:22",
		"ovens.door.hinge":    "testdata/good.yaml:8:9",
		"steps.knead.minutes": "--set knead.minutes=3",
		"knead.seed":          "testdata/good.yaml:13:40",
		"buy.shops[0].list":   "testdata/more/overlay.yaml:8:32",
		"buy.shops.1.name":    "testdata/more/overlay.yaml:9:18",
		"buy.shops.7.name":    "testdata/more/overlay.yaml:7:7",
		"bake-it.heat":        "--set bake-it.heat=180",
		"":                    "testdata/good.yaml:3:1",
		"nothing.at.all":      "testdata/good.yaml:3:1",
	} {
		if got := src.At(path).String(); got != want {
			t.Errorf("At(%q) = %s, want %s", path, got, want)
		}
	}
	if src.Dir("seed") != "testdata/more" || src.Dir("knead.minutes") != "" || src.Dir("ovens.small") != "" {
		t.Errorf("Dir: %q", src.Dir("seed"))
	}
	problem := src.Problem("ovens.fuel", "%s is sold out", "wood")
	golden(t, "testdata/semantic.golden", Problems{problem}.Error()+"\n")
}

// An overlay may list a kind that the first file does not; its own list must still be in order.
func TestOverlayAddsKind(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.yaml"), filepath.Join(dir, "b.yaml")
	for file, text := range map[string]string{a: "name: a\nsteps: [bake-it: {}]", b: "steps: [buy: {shops: []}]"} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, _, err := Load([]string{a, b}, nil, bakeryDefaults)
	if err != nil || got.Steps.Buy == nil || got.Steps.BakeIt == nil || got.Steps.Knead != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAliases(t *testing.T) {
	got, _, err := load(t, "name: &n abc\novens: {notes: [&m one, *m, *n], door: &d {open: true}}\nsteps: [knead: {grams: {<<: {a: 1, b: 2}, b: 3}}]")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"one", "one", "abc"}, got.Ovens.Notes); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]float64{"a": 1, "b": 3}, got.Steps.Knead.Grams); diff != "" {
		t.Error(diff)
	}
}

func TestTooMuch(t *testing.T) {
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 9 {
		ref := " *a" + string(rune('0'+i)) + ","
		bomb += "a" + string(rune('1'+i)) + ": &a" + string(rune('1'+i)) + " [" + strings.Repeat(ref, 9) + "]\n"
	}
	for name, c := range map[string]struct{ yaml, want string }{
		"bomb":   {bomb, "the aliases of this file stand for more than 10000 values"},
		"cycle":  {"name: &a [*a]\n", "the alias *a contains itself"},
		"size":   {"name: " + strings.Repeat("x", maxBytes), "is larger than 1048576 bytes"},
		"latin1": {"name: caf\xe9\n", "not UTF-8"},
		"depth":  {"name: " + strings.Repeat("[", 20000), "this is not YAML"},
	} {
		_, _, err := load(t, c.yaml)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %.300v", name, err)
		}
	}
}

func TestSchema(t *testing.T) {
	got, err := Schema(bakeryDefaults)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/schema.golden", string(got))
}

func TestRender(t *testing.T) {
	v, _, err := load(t, "name: a\novens: {notes: ['1', 'a: b', \"x\\ny\", '', '#', ~a, 'true', ' s '], manual: /m.pdf}\n"+
		"steps: [buy: {shops: [{name: b, open: 0}, {name: c, open: 3}]}, knead: {seed: 3}, bake-it: {heat: 1e6, labels: {'1': '', 'no': 'yes'}}]")
	if err != nil {
		t.Fatal(err)
	}
	text, err := Render(v)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/render.golden", string(text))
	again, _, err := load(t, string(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(v, again); diff != "" {
		t.Errorf("(-rendered +loaded again):\n%s", diff)
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, _, err := Load([]string{"testdata/good.yaml"}, nil, bakeryDefaults); err != nil {
			b.Fatal(err)
		}
	}
}

// Any text survives Render and Load, as a value, in a list, and as a key.
func TestRenderText(t *testing.T) {
	v := bakeryDefaults()
	v.Name, v.Steps.Buy, v.Steps.Knead = "a", nil, nil
	v.Steps.BakeIt.Labels = map[string]string{}
	add := func(text string) {
		v.Ovens.Notes = append(v.Ovens.Notes, text)
		v.Steps.BakeIt.Labels[text] = text
	}
	for _, text := range []string{"", "null", "~", "<<", "0x10", "1_0", "2024-01-01", "y", "No", "=", "a\nb", "\n a\n  b \n", "a\n\n", "- a", "a: b", "#", "a #b", "*a", "&a", "!!int", "%", "{", "'", "\"", "\\", "---", "...", "? a", strings.Repeat("long ", 60)} {
		add(text)
	}
	for r := rune(0); r < 0x180; r++ {
		add(string(r))
		add("a" + string(r) + "b")
		add(string(r) + " b" + string(r))
	}
	for _, r := range "\u2028\u2029\ufeff\ufffd\ufffe\U0001F35E\U0010FFFF" {
		add("a" + string(r))
	}
	text, err := Render(v)
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := load(t, string(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(v, again); diff != "" {
		t.Errorf("(-rendered +loaded):\n%s", diff)
	}
}

// TestManyProblems: a file that is no config at all does not fill the screen.
func TestManyProblems(t *testing.T) {
	var text strings.Builder
	text.WriteString("name: x\n")
	for i := range 5000 {
		fmt.Fprintf(&text, "key%d: %d\n", i, i)
	}
	_, _, err := load(t, text.String())
	if err == nil || !strings.HasSuffix(err.Error(), "and 4900 more problems like these") || strings.Count(err.Error(), "unknown key") != 100 {
		t.Errorf("%.300s … %.100s", err, err.Error()[max(0, len(err.Error())-100):])
	}
}
