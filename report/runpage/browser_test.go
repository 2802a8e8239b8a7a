package runpage

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

//go:embed testdata/axe-core/axe.min.js
var axe string

// browser is a real Chromium with one page in it, which notes whatever goes wrong there.
type browser struct {
	t       *testing.T
	ctx     context.Context
	address string

	mu     sync.Mutex
	wrongs []string
}

// openPage opens a page. Where there is no Chromium the test is skipped, but not in CI.
func openPage(t *testing.T, text []byte) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("there is no Chromium, and CI must test the page in one: .ci/chromium installs it")
		}
		t.Skip("NOT TESTED IN A BROWSER: there is no Chromium here; .ci/chromium installs Debian's")
	}
	file := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(time.Minute))
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {})) // of events newer than the library
	t.Cleanup(stop)
	ctx, stop = context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(stop)
	b := &browser{t: t, ctx: ctx, address: "file://" + file}
	chromedp.ListenTarget(ctx, b.listen)
	b.run(network.Enable(), log.Enable(), chromedp.EmulateViewport(1400, 900), chromedp.Navigate(b.address), chromedp.WaitVisible("#verdict"))
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, wrong := range b.wrongs {
			t.Error(wrong)
		}
	})
	return b
}

// listen notes requests that leave the page, errors and dialogs.
func (b *browser) listen(event any) {
	wrong := ""
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if u := e.Request.URL; !strings.HasPrefix(u, b.address) && !strings.HasPrefix(u, "data:image/") {
			wrong = "the page asks for " + u
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError || e.Entry.Level == log.LevelWarning {
			wrong = "console: " + e.Entry.Text
		}
	case *runtime.EventConsoleAPICalled:
		wrong = fmt.Sprintf("the page writes to the console: %s", e.Type)
	case *runtime.EventExceptionThrown:
		wrong = "exception: " + e.ExceptionDetails.Error()
	case *page.EventJavascriptDialogOpening:
		wrong = "a dialog opens: " + e.Message
	}
	if wrong != "" {
		b.mu.Lock()
		b.wrongs = append(b.wrongs, wrong)
		b.mu.Unlock()
	}
}

func (b *browser) run(actions ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// eval gives what an expression comes to in the page.
func eval[T any](b *browser, expression string) (value T) {
	b.t.Helper()
	b.run(chromedp.Evaluate(expression, &value, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	return value
}

// click clicks an element wherever it stands.
func (b *browser) click(selector string) {
	b.t.Helper()
	b.run(chromedp.Evaluate(fmt.Sprintf("document.querySelector(%q).click()", selector), nil))
}

// shoot leaves a picture of the whole page for a person, where go test -artifacts asks for it.
func (b *browser) shoot(name string) {
	b.t.Helper()
	if flag.Lookup("test.artifacts").Value.String() != "true" {
		return
	}
	var picture []byte
	b.run(chromedp.FullScreenshot(&picture, 85))
	if err := os.WriteFile(filepath.Join(b.t.ArtifactDir(), name+".jpg"), picture, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// as sets what the page is shown on.
func (b *browser) as(width int64, scheme, media string) {
	b.t.Helper()
	b.run(chromedp.EmulateViewport(width, 900),
		emulation.SetEmulatedMedia().WithMedia(media).WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}))
}

// TestGallery clicks, types and points as a person does.
func TestGallery(t *testing.T) {
	text, err := Page(sample(t, []string{"ant", "bee", "cat"}, 60, 32))
	if err != nil {
		t.Fatal(err)
	}
	b := openPage(t, text)
	b.as(1400, "light", "screen")
	said := func() string { return eval[string](b, `document.getElementById("gallery-said").textContent`) }
	thumbs := func() int { return eval[int](b, `document.querySelectorAll("#thumbs li").length`) }
	if got := said(); got != "All mistakes: 12 pictures." || thumbs() != 12 {
		t.Errorf("at first: %q, %d thumbnails", got, thumbs())
	}
	b.run(chromedp.Click(`.cell[data-label="0"][data-predicted="1"]`))
	if got := said(); !strings.HasPrefix(got, "ant taken for bee: 4 pictures") || thumbs() != 4 {
		t.Errorf("a cell: %q, %d thumbnails", got, thumbs())
	}
	if !eval[bool](b, `[...document.querySelectorAll("#thumbs img")].every(i => i.naturalWidth === 32)`) {
		t.Error("a thumbnail is no picture")
	}
	b.click(`.matrix th[scope=row] button[data-label="1"]`)
	if got := said(); !strings.HasPrefix(got, "Label bee: 20 pictures") || thumbs() != 20 {
		t.Errorf("a class: %q, %d thumbnails", got, thumbs())
	}
	b.click(".histogram button")
	if got := said(); !strings.HasPrefix(got, "Probability from 0.40 to 0.60: ") || thumbs() == 0 {
		t.Errorf("a bar: %q, %d thumbnails", got, thumbs())
	}

	b.run(chromedp.Focus(`.cell[data-label="0"][data-predicted="0"]`))
	b.run(chromedp.Evaluate(`document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight", bubbles: true}))`, nil), chromedp.KeyEvent("\r"))
	if got := said(); !strings.HasPrefix(got, "ant taken for bee: ") {
		t.Errorf("arrow and Enter: %q", got)
	}
	b.run(chromedp.Focus("#thumbs button"), chromedp.KeyEvent("\r"))
	if !eval[bool](b, `document.getElementById("shown").open && document.querySelector("#shown-body .path").textContent.startsWith("test/ant/")`) {
		t.Error("Enter opens no picture")
	}
	b.run(chromedp.KeyEvent("\u001b"))
	if eval[bool](b, `document.getElementById("shown").open`) {
		t.Error("Escape does not close the picture")
	}

	pointed := func() bool { // what still scrolls hides it again
		at := eval[[]float64](b, `(() => { const c = document.querySelector('.cell[data-label="1"][data-predicted="2"]'); c.scrollIntoView({block: "center", behavior: "instant"}); const r = c.getBoundingClientRect(); return [r.x + 5, r.y + 5] })()`)
		b.run(chromedp.MouseEvent("mouseMoved", 1, 1), chromedp.MouseEvent("mouseMoved", at[0], at[1]))
		return eval[bool](b, `!document.getElementById("tip").hidden && [...document.querySelectorAll("#tip img")].every(i => i.naturalWidth > 0)`)
	}
	for deadline := time.Now().Add(20 * time.Second); !pointed(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("pointing at a cell shows no thumbnail")
		}
	}
	b.run(chromedp.SetValue("#wanted", "95"), chromedp.Evaluate(`document.getElementById("wanted").dispatchEvent(new Event("input"))`, nil))
	if got := eval[string](b, `document.getElementById("wanted-said").textContent`); !strings.HasPrefix(got, "is ") {
		t.Errorf("the wanted accuracy: %q", got)
	}
}

// TestLooks shows pages narrow and wide, light, dark and printed: nothing is cut off, and axe-core finds nothing serious.
func TestLooks(t *testing.T) {
	hostile := []string{"<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "</script><b>", strings.Repeat("long", 50), "שלום עולם"}
	for i := range 30 { // the matrix is wider than the page
		hostile = append(hostile, fmt.Sprint("class ", i))
	}
	for name, run := range map[string]*Run{"ordinary": sample(t, []string{"ant", "bee", "cat"}, 60, 96), "hostile": sample(t, hostile, 100, 32)} {
		t.Run(name, func(t *testing.T) {
			text, err := Page(run)
			if err != nil {
				t.Fatal(err)
			}
			b := openPage(t, text)
			for _, width := range []int64{360, 1400} {
				for _, scheme := range []string{"light", "dark"} {
					b.as(width, scheme, "screen")
					look := fmt.Sprintf("%s-%d-%s", name, width, scheme)
					b.shoot(look)
					if wide := eval[int](b, "document.documentElement.scrollWidth"); wide > int(width) {
						t.Errorf("%s: %d pixels wide; too wide are %s", look, wide, eval[string](b, `[...document.querySelectorAll("main *, header *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll")).slice(0, 5).map(e => e.tagName + "." + e.className).join(", ")`))
					}
					if (width == 360) != (scheme == "light") {
						continue // the rules look at colours and structure: two of the four have all of them
					}
					for _, finding := range eval[[]string](b, axe+`; axe.run().then(r => r.violations.filter(v => v.impact === "serious" || v.impact === "critical").map(v => v.id + " (" + v.impact + "): " + v.nodes.slice(0, 3).map(n => n.html.slice(0, 160) + " " + n.failureSummary.slice(0, 200)).join(" | ")))`) {
						t.Errorf("%s: %s", look, finding)
					}
				}
			}
			if n := eval[int](b, `document.querySelectorAll("[onerror], b script, bdi *").length`); n > 0 {
				t.Errorf("%d names have become markup", n)
			}
			if !eval[bool](b, `[...document.images].every(i => i.complete && i.naturalWidth > 0)`) {
				t.Error("a picture is not shown, and would not be printed")
			}
			b.as(800, "light", "print")
			b.shoot(name + "-print")
			b.run(chromedp.ActionFunc(func(ctx context.Context) error {
				pdf, _, err := page.PrintToPDF().WithPrintBackground(true).Do(ctx)
				if err == nil && len(pdf) < 10_000 {
					t.Errorf("printed: %d bytes", len(pdf))
				}
				if err == nil {
					err = os.WriteFile(filepath.Join(t.ArtifactDir(), name+".pdf"), pdf, 0o644)
				}
				return err
			}))
		})
	}
}
