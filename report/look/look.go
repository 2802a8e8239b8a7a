package look

import (
	_ "embed"
	"html/template"
)

// Style is the style sheet of all pages; a page adds its own.
//
//go:embed style.css
var Style template.CSS

//go:embed plot.tmpl.html
var plotTemplate string

// Colours is how many colours lines have; beyond them they come again.
const Colours = 8

// AddTemplates adds to a page's templates those that all pages share: "plot", which draws a Plot, and the function
// colour, which numbers colours.
func AddTemplates(t *template.Template) (*template.Template, error) {
	return t.Funcs(template.FuncMap{"colour": func(i int) int { return i % Colours }}).Parse(plotTemplate)
}
