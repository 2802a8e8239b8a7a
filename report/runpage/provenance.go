package runpage

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/dustin/go-humanize"

	"tlpipe/pipeline/progress"
	"tlpipe/report/comparison"
	"tlpipe/stages/formats"
)

// provenanceContent is what the section on the making of the run shows.
type provenanceContent struct {
	Stages    []stageLine
	Total     string
	Versions  []figure
	Artifacts []figure
	Settings  []settingLine
	Command   string
}

type stageLine struct {
	comparison.Stage
	Took, Memory, Speed string
	Width               float64 // of the bar, in hundredths
}

type settingLine struct {
	Path, Value, Origin string // Origin is empty for a default
}

func provenance(r *Run, _ *Thumbnails) (any, string, error) {
	c := provenanceContent{Command: commandLine(r.Command)}
	if m := r.Machine; m.TensorFlow != "" {
		c.Versions = append(c.Versions, figure{"TensorFlow", m.TensorFlow, "its build: " + m.Build})
	}
	if m := r.Machine; m.Device != "" {
		c.Versions = append(c.Versions, figure{"device", m.Device, "CPU class " + m.CPUClass})
	}
	c.Versions = append(c.Versions, figure{"host", r.Host, "began " + r.Began.UTC().Format("2006-01-02 15:04:05") + " UTC"})
	for _, s := range r.Settings {
		c.Settings = append(c.Settings, settingLine{s.Path, s.Value, r.Origins[s.Path]})
	}
	if r.Summary == nil {
		return c, "", nil
	}
	c.Total = progress.Seconds(r.Summary.Seconds)
	run := comparison.Run{ID: r.ID, History: r.History}
	if r.Report != nil {
		run.Report = *r.Report
	}
	most := 1e-9
	for _, s := range r.Summary.Figures(r.Records, r.Dirs, run) {
		line := stageLine{Stage: s, Took: progress.Seconds(s.Seconds)}
		if s.Seconds == 0 {
			line.Took = "not known"
		}
		if s.PeakBytes > 0 {
			line.Memory = humanize.IBytes(uint64(s.PeakBytes))
		}
		if s.Images > 0 && s.Seconds > 0 {
			line.Speed = comma(int(float64(s.Images)/s.Seconds)) + " images/s"
		}
		most = max(most, s.Seconds)
		c.Stages = append(c.Stages, line)
	}
	for i := range c.Stages {
		c.Stages[i].Width = 100 * c.Stages[i].Seconds / most
	}
	for _, s := range r.Summary.InOrder() {
		if s.Artifact != "" {
			c.Artifacts = append(c.Artifacts, figure{s.Stage, s.Artifact, precisionOf(s.Stage, r.Dirs)})
		}
	}
	return c, "", nil
}

func precisionOf(stage string, dirs map[string]string) string {
	if precision := formats.Precision(stage, dirs[stage]); precision != "" {
		return fmt.Sprintf("computed in %s", precision)
	}
	return ""
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// commandLine writes a command as a shell takes it.
func commandLine(args []string) string {
	words := make([]string, len(args))
	for i, arg := range args {
		if words[i] = arg; !plainWord.MatchString(arg) {
			words[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}
