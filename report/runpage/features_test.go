package runpage

import (
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"tlpipe/stages/formats"
)

// writeFeatures stores features of a sample's images: those of a class are alike.
func writeFeatures(t *testing.T, r *Run, width int) {
	t.Helper()
	dir := t.TempDir()
	var values []byte
	var rows []int64
	for i, tested := range r.Tested {
		rows = append(rows, tested.Row)
		for k := range width {
			v := math.Sin(float64(i+7*k)) / 4
			if k%len(r.Classes) == tested.Label {
				v += 5
			}
			values = append(values, 0, 0, 0, 0)
			bits := math.Float32bits(float32(v))
			for b := range 4 {
				values[len(values)-4+b] = byte(bits >> (8 * b))
			}
		}
	}
	err := errors.Join(
		formats.WriteArray(filepath.Join(dir, formats.ShardName("features", 0)), "<f4", []int{len(rows), width}, values),
		formats.WriteInt64s(filepath.Join(dir, "rows.npy"), rows),
		formats.WriteJSON(filepath.Join(dir, "features.json"), formats.FeaturesInfo{Count: len(rows), Copies: 1, Shape: []int{width}, ShardSize: len(rows), DType: "float32"}),
	)
	if err != nil {
		t.Fatal(err)
	}
	r.Dirs["featurize"] = dir
}

// TestFeaturesSection has images of a class nearer to each other than to those of another, by features short and long, and
// where there are none, by probabilities.
func TestFeaturesSection(t *testing.T) {
	for name, c := range map[string]struct {
		width  int
		source string
	}{"short": {12, "frozen part"}, "folded": {3000, "(3,000 numbers each, folded into 512"}, "none": {0, "no features are stored"}} {
		r := sample(t, []string{"ant", "bee", "cat"}, 60, 32)
		if c.width > 0 {
			writeFeatures(t, r, c.width)
		}
		content, lacks, err := features(r, &Thumbnails{run: r, left: 1 << 20})
		if err != nil || lacks != "" {
			t.Fatalf("%s: %q, %v", name, lacks, err)
		}
		m := content.(featuresContent)
		if len(m.Dots) != 60 || m.Sprite == "" || !strings.Contains(m.Source, c.source) || len(m.Data.Reduced) != 60 {
			t.Errorf("%s: %d dots by %s", name, len(m.Dots), m.Source)
		}
		for _, d := range m.Dots {
			if d.X < -1 || d.X > mapWidth+1 || d.Y < -1 || d.Y > mapHeight+1 {
				t.Errorf("%s: a dot lies at %d, %d", name, d.X, d.Y)
			}
		}
		if c.width == 0 {
			continue
		}
		far := func(a, b dot) float64 { return math.Hypot(float64(a.X-b.X), float64(a.Y-b.Y)) }
		if same, other := far(m.Dots[0], m.Dots[3]), far(m.Dots[0], m.Dots[1]); 3*same > other {
			t.Errorf("%s: alike images lie %v apart, others %v", name, same, other)
		}
	}
	for name, change := range map[string]func(r *Run){
		"too few": func(r *Run) { r.Tested = r.Tested[:2] }, "all the same": func(r *Run) { r.Tested = []Tested{r.Tested[1], r.Tested[1], r.Tested[1]}; writeFeatures(t, r, 1) },
		"nothing stored": func(r *Run) { r.probabilities = nil },
	} {
		r := sample(t, []string{"ant", "bee"}, 20, 32)
		change(r)
		if _, lacks, err := features(r, &Thumbnails{run: r, left: 1 << 20}); lacks == "" && err == nil {
			t.Errorf("%s: a map", name)
		}
	}
}

// TestMap points at a dot, goes on with the keyboard, and has the browser lay the map out by UMAP.
func TestMap(t *testing.T) {
	r := sample(t, []string{"ant", "bee", "cat"}, 60, 32)
	writeFeatures(t, r, 12)
	text, err := Page(r)
	if err != nil {
		t.Fatal(err)
	}
	b := openPage(t, text)
	at := eval[[]float64](b, `(() => { const m = document.querySelectorAll("#map .p")[1]; m.scrollIntoView({block: "center", behavior: "instant"}); const r = m.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] })()`)
	time.Sleep(100 * time.Millisecond) // the scrolling hides what was shown before
	b.run(chromedp.MouseEvent("mouseMoved", at[0], at[1]))
	if got := eval[string](b, `document.getElementById("map-tip").hidden ? "" : document.getElementById("map-tip").textContent`); !strings.Contains(got, "test/bee/") {
		t.Errorf("pointing at a dot shows %q", got)
	}
	if !eval[bool](b, `(c => c.getContext("2d").getImageData(c.width / 2, c.height / 2, 1, 1).data[3] === 255)(document.querySelector("#map-tip canvas"))`) {
		t.Error("it shows no thumbnail")
	}
	b.run(chromedp.Focus("#map"), chromedp.Evaluate(`for (const key of ["ArrowLeft", "ArrowRight", "ArrowDown", "ArrowUp"]) document.getElementById("map").dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}))`, nil))
	if got := eval[string](b, `document.getElementById("map-tip-said").textContent`); !strings.Contains(got, "test/") {
		t.Errorf("the keyboard says %q", got)
	}
	before := eval[string](b, `document.querySelector("#map .p").getAttribute("transform")`)
	b.click("[name=map-way][value=umap]")
	b.run(chromedp.Poll(`document.querySelector("#map .p").getAttribute("transform") !== `+"`"+before+"`", nil, chromedp.WithPollingTimeout(time.Minute)))
	b.shoot("map-umap")
	if wrong := eval[int](b, `[...document.querySelectorAll("#map .p")].filter(p => /NaN/.test(p.getAttribute("transform"))).length`); wrong > 0 {
		t.Errorf("%d dots lie nowhere", wrong)
	}
	b.click("[name=map-way][value=pca]")
	if after := eval[string](b, `document.querySelector("#map .p").getAttribute("transform")`); after != before {
		t.Errorf("back at principal components the first dot lies at %s, before %s", after, before)
	}
}
