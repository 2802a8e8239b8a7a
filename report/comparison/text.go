package comparison

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	textWidth   = 100 // columns of a terminal
	textClasses = 10  // that are shown
)

// Text prints comparisons for a terminal of 100 columns.
func (all Comparisons) Text(w io.Writer) error {
	var out bytes.Buffer
	for i, c := range all {
		if len(all) > 1 {
			fmt.Fprintf(&out, "%s== %s ==\n\n", strings.Repeat("\n", min(i, 1)), c.Title())
		}
		c.text(&out)
	}
	_, err := w.Write(out.Bytes())
	return err
}

func (c *Comparison) text(out *bytes.Buffer) {
	for i, t := range c.tables(textClasses) {
		if i > 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprintln(out, t.Title)
		t.print(out)
		if t.Key == "runs" {
			for _, note := range c.Notes {
				wrap(out, "  ! ", note)
			}
		}
	}
}

func (t table) print(out *bytes.Buffer) {
	rows := append([][]string{t.Head}, t.Rows...)
	if len(t.Rows) == 0 {
		rows = nil
	}
	widths := make([]int, len(t.Head))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	narrow(widths)
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			cell = shorten(cell, widths[i])
			space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i >= len(row)-t.Numbers {
				cell, space = space+cell, ""
			}
			line.WriteString("  " + cell + space)
		}
		fmt.Fprintln(out, strings.TrimRight(line.String(), " "))
	}
	for _, sentence := range t.Text {
		wrap(out, "  ", sentence)
	}
}

// narrow takes from the widest columns until the line fits.
func narrow(widths []int) {
	const least = 8
	for {
		total, widest := 0, 0
		for i, w := range widths {
			total += 2 + w
			if w > widths[widest] {
				widest = i
			}
		}
		if total <= textWidth || widths[widest] <= least {
			return
		}
		widths[widest]--
	}
}

// shorten keeps the beginning and the end of a text that is too long.
func shorten(text string, width int) string {
	runes := []rune(text)
	if len(runes) <= width {
		return text
	}
	tail := (width - 1) / 2
	return string(runes[:width-1-tail]) + "…" + string(runes[len(runes)-tail:])
}

// wrap prints a sentence in lines that fit, all indented as far as the prefix of the first.
func wrap(out *bytes.Buffer, prefix, sentence string) {
	line := prefix
	empty := true
	for _, word := range strings.Fields(sentence) {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > textWidth {
			fmt.Fprintln(out, line)
			line, empty = strings.Repeat(" ", utf8.RuneCountInString(prefix)), true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	fmt.Fprintln(out, line)
}

// sparkline draws values in one line, low as the lowest step and high as the highest; of a long list every nth.
func sparkline(values []float64, low, high float64) string {
	const most = 30
	steps := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	n := min(len(values), most)
	for i := range n {
		at := i
		if n > 1 {
			at = i * (len(values) - 1) / (n - 1) // the first and the last are always there
		}
		step := len(steps) - 1
		if high > low {
			step = int((values[at]-low)/(high-low)*float64(len(steps)-1) + 0.5)
		}
		b.WriteRune(steps[min(max(step, 0), len(steps)-1)])
	}
	return b.String()
}
