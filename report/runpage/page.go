package runpage

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"

	"tlpipe/report/look"
)

// pictureBudget is how many bytes of the page are pictures in base64; with it a page of 10,000 images is below 3 MB.
const pictureBudget = 1_800_000

//go:embed *.tmpl.html
var templates embed.FS

//go:embed page.css
var style string

//go:embed page.js
var pageScript string

// umapScript is umap-js, see the README beside it.
//
//go:embed umap-js/umap-js.min.js
var umapScript string

//go:embed map.js
var mapScript string

// shown is what the page's template is given.
type shown struct {
	Run      *Run
	Policy   string
	Style    template.CSS
	Script   template.JS
	Sections []shownSection
	Data     *clientData // for the script
}

// Page makes the page of a run.
func Page(r *Run) ([]byte, error) {
	t, err := template.New("page").Funcs(functions(r)).ParseFS(templates, "*.tmpl.html")
	if err != nil {
		return nil, err
	}
	if t, err = look.AddTemplates(t); err != nil {
		return nil, err
	}
	script := pageScript + umapScript + "\n" + mapScript
	hash := sha256.Sum256([]byte(script))
	page := shown{
		Run: r, Style: look.Style + template.CSS(style), Script: template.JS(script),
		Policy: "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'; base-uri 'none'; form-action 'none'",
	}
	thumbnails := NewThumbnails(r, pictureBudget)
	for _, s := range sections() {
		one := shownSection{ID: s.id, Title: s.title, Meaning: s.meaning}
		content, lacks, err := s.build(r, thumbnails)
		switch {
		case err != nil: // one section that fails leaves the others
			one.Lacks = err.Error()
		case lacks != "":
			one.Lacks = lacks
		default:
			var body bytes.Buffer
			if err := t.ExecuteTemplate(&body, "section_"+s.id+".tmpl.html", content); err != nil {
				return nil, fmt.Errorf("section %s: %w", s.id, err)
			}
			one.Body = template.HTML(body.String())
		}
		page.Sections = append(page.Sections, one)
	}
	page.Data = newClientData(r, thumbnails)
	var out bytes.Buffer
	err = t.ExecuteTemplate(&out, "page.tmpl.html", page)
	return out.Bytes(), err
}

// functions are those of all templates.
func functions(r *Run) template.FuncMap {
	return template.FuncMap{
		"class":   func(i int) string { return r.Classes[i] },
		"percent": percent,
		"comma":   comma,
		"sure":    sure,
		"hundred": func(v float64) string { return fmt.Sprintf("%.2f", 100*v) },
		"colour":  func(class int) int { return class % look.Colours },
		"add":     func(a, b int) int { return a + b },
		"len2":    func(from, to float64) float64 { return to - from },
		"png":     func(base64 string) template.URL { return template.URL("data:image/png;base64," + base64) },
		"jpeg":    func(base64 string) template.URL { return template.URL("data:image/jpeg;base64," + base64) },
	}
}
