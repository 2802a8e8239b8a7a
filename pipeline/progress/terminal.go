package progress

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
	"golang.org/x/term"

	"tlpipe/pipeline/sanitize"
)

// Terminal returns a Sink that redraws one line with a progress bar and prints other events above it.
func Terminal(f *os.File) Sink {
	return &terminal{w: f, width: func() int {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			return width
		}
		return 80
	}}
}

type terminal struct {
	w      io.Writer
	width  func() int // called each time, since windows are resized
	meter  meter
	stages []string // running stages, in the order in which they began
	shown  string   // the stage whose count is shown: the first that reports one
	loss   string   // what the last steps of the stage shown measured
}

// clearLine moves the cursor to the beginning of the line and clears it.
const clearLine = "\r\x1b[2K"

func (t *terminal) Handle(e Event) {
	switch e.Type {
	case StageStart:
		t.stages = append(t.stages, e.Stage)
	case StageEnd:
		t.stages = slices.DeleteFunc(t.stages, func(s string) bool { return s == e.Stage })
		if t.shown == e.Stage {
			t.shown, t.loss = "", ""
		}
	case Step:
		if t.shown == e.Stage {
			t.loss = ", " + e.Text
		}
	case Progress:
		if t.shown == "" {
			t.shown = e.Stage
		}
		if t.shown != e.Stage {
			return // there is one line
		}
	}
	if e.Type == Progress {
		t.meter.update(e)
		fmt.Fprint(t.w, clearLine, sanitize.Text(t.line(e)))
	} else if text := Text(e); text != "" {
		fmt.Fprint(t.w, clearLine, sanitize.Text(text), "\n")
	}
}

// line returns the progress line, shortened to the width of the window since a wrapped line cannot be redrawn. The bar is shortened
// first, then the end of the text.
func (t *terminal) line(e Event) string {
	const longest, step = 24, 8 // the bar's length changes in steps, so that it does not flicker when the number of digits changes
	head, tail := fmt.Sprintf("  %-10s", e.Stage), t.meter.text(e)+t.loss
	for _, stage := range t.stages {
		if stage != e.Stage {
			tail += "; also " + stage
		}
	}
	width := t.width() - 1 // some terminals wrap when the last column is filled
	if room := width - utf8.RuneCountInString(head+tail) - len(" 100 %    "); e.Total > 0 && room >= step {
		size, share := min(room/step*step, longest), float64(e.Done)/float64(e.Total)
		full := min(size, int(share*float64(size)))
		head += fmt.Sprintf(" %3d %% │%s%s│", int(100*share), strings.Repeat("█", full), strings.Repeat("·", size-full))
	}
	line := []rune(head + " " + tail)
	return string(line[:max(0, min(len(line), width))])
}

// meter computes the speed since a count began.
type meter struct {
	stage, unit string
	began       time.Time
	from, done  int64
	total       int64
}

func (m *meter) update(e Event) {
	if m.stage != e.Stage || m.unit != e.Unit || m.total != e.Total || e.Done < m.done { // a new count began, such as that of another file
		*m = meter{stage: e.Stage, unit: e.Unit, began: e.Time, from: e.Done, total: e.Total}
	}
	m.done = e.Done
}

func (m *meter) text(e Event) string {
	count := humanize.Comma(e.Done)
	if e.Total > 0 {
		count += " of " + humanize.Comma(e.Total)
	}
	text := count + " " + e.Unit
	if e.Unit == "bytes" {
		text = humanize.IBytes(uint64(e.Done))
		if e.Total > 0 {
			text += " of " + humanize.IBytes(uint64(e.Total))
		}
	}
	elapsed := e.Time.Sub(m.began).Seconds()
	if rate := float64(e.Done-m.from) / elapsed; elapsed > 0 && rate > 0 {
		if e.Unit == "bytes" {
			text += fmt.Sprintf(", %s/s", humanize.IBytes(uint64(rate)))
		} else {
			text += fmt.Sprintf(", %s %s/s", perSecond(rate), e.Unit)
		}
		if e.Total > 0 {
			text += ", " + Seconds(float64(e.Total-e.Done)/rate) + " left"
		}
	}
	return text
}

func perSecond(rate float64) string {
	if rate >= 100 {
		return humanize.Comma(int64(rate + 0.5))
	}
	return fmt.Sprintf("%.2g", rate)
}
