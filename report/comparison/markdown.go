package comparison

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// Markdown prints comparisons as sections with tables.
func (all Comparisons) Markdown(w io.Writer) error {
	var out bytes.Buffer
	for i, c := range all {
		fmt.Fprintf(&out, "%s# %s\n\n", strings.Repeat("\n", min(i, 1)), markdown.Replace(c.Title()))
		c.markdown(&out)
	}
	_, err := w.Write(out.Bytes())
	return err
}

func (c *Comparison) markdown(out *bytes.Buffer) {
	for i, t := range c.tables(textClasses) {
		if i > 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprintf(out, "## %s\n", t.Title)
		if len(t.Rows) > 0 {
			fmt.Fprintln(out)
			t.markdown(out)
		}
		if t.Key == "runs" {
			for _, note := range c.Notes {
				fmt.Fprintf(out, "\n> **Note:** %s\n", markdown.Replace(note))
			}
		}
		for _, sentence := range t.Text {
			fmt.Fprintf(out, "\n%s\n", markdown.Replace(sentence))
		}
	}
}

func (t table) markdown(out *bytes.Buffer) {
	markdownRow(out, t.Head)
	for i := range t.Head {
		if i >= len(t.Head)-t.Numbers {
			fmt.Fprint(out, "|--:")
		} else {
			fmt.Fprint(out, "|---")
		}
	}
	fmt.Fprintln(out, "|")
	for _, row := range t.Rows {
		markdownRow(out, row)
	}
}

// markdown escapes what would be taken for a mark.
var markdown = strings.NewReplacer(`\`, `\\`, "|", `\|`, "*", `\*`, "_", `\_`, "`", "\\`", "<", "&lt;", "[", `\[`, "\n", " ")

func markdownRow(out *bytes.Buffer, cells []string) {
	for _, cell := range cells {
		fmt.Fprintf(out, "| %s ", markdown.Replace(cell))
	}
	fmt.Fprintln(out, "|")
}
