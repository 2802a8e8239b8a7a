package runpage

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"slices"

	"tlpipe/pipeline/store"
	"tlpipe/report/look"
	"tlpipe/report/runs"
	"tlpipe/stages/audit"
	"tlpipe/stages/formats"
	"tlpipe/stages/wording"
)

const (
	auditSide       = 96 // of a picture, in pixels
	auditPictures   = 8  // findings of a kind that a run's page shows
	auditPageBudget = 8_000_000
	auditPageShown  = 120 // findings of a kind that the audit's own page shows
)

// auditContent is what the section audit shows.
type auditContent struct {
	Kinds   []auditKind
	Aside   []formats.Rejected
	More    int // files set aside that are not shown
	Notes   []string
	Nothing bool
	Balance []auditClass
}

type auditKind struct {
	audit.Kind
	Count int
	Shown []auditFinding
}

type auditFinding struct {
	audit.SavedFinding
	Picture, OtherPicture string
}

type auditClass struct {
	Class            string
	Train, Val, Test int
}

// auditSection shows the audit of a run's data, if one was made.
func auditSection(r *Run, thumbnails *Thumbnails) (any, string, error) {
	if r.Audit == nil {
		return nil, "the data was not looked at; `tlpipe audit CONFIG` does that in seconds, and the next page of this run shows it", nil
	}
	return newAuditContent(r.Audit, thumbnails, auditPictures), "", nil
}

// readAudit finds the newest audit of the run's data set. It lies beside the run that was the newest then.
func (r *Run) readAudit(s *store.Store) error {
	dataset := r.artifact("normalize")
	if dataset == "" {
		return nil
	}
	ids, err := s.Runs()
	if err != nil {
		return err
	}
	for _, id := range slices.Backward(slices.Sorted(slices.Values(ids))) {
		saved, err := audit.ReadSaved(s.RunDir(id))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		if saved.Dataset == dataset && (saved.Features == "" || saved.Features == r.artifact("featurize")) {
			r.Audit = saved
			return nil
		}
	}
	return nil
}

// artifact is the ID of a stage's result.
func (r *Run) artifact(stage string) string {
	for _, one := range r.Summary.InOrder() {
		if one.Stage == stage {
			return one.Artifact
		}
	}
	return ""
}

func newAuditContent(s *audit.Saved, thumbnails *Thumbnails, most int) auditContent {
	c := auditContent{Notes: s.Notes, Nothing: len(s.Findings) == 0}
	for _, kind := range audit.Kinds {
		list := s.Of(kind.Name)
		if len(list) == 0 {
			continue
		}
		one := auditKind{Kind: kind, Count: len(list)}
		for _, f := range list[:min(most, len(list))] {
			shown := auditFinding{SavedFinding: f, Picture: thumbnails.Picture(f.Row, auditSide)}
			if f.Other != nil {
				shown.OtherPicture = thumbnails.Picture(*f.Other, auditSide)
			}
			one.Shown = append(one.Shown, shown)
		}
		c.Kinds = append(c.Kinds, one)
	}
	c.Aside = s.Aside[:min(most, len(s.Aside))]
	c.More = len(s.Aside) - len(c.Aside)
	count := func(split string, class int) int {
		if counts := s.Counts[split]; class < len(counts) {
			return counts[class]
		}
		return 0
	}
	for i, class := range s.Classes {
		c.Balance = append(c.Balance, auditClass{class, count(formats.Train, i), count(formats.Val, i), count(formats.Test, i)})
	}
	return c
}

// Title says how many findings of a kind there are.
func (k auditKind) Heading() string {
	if len(k.Shown) < k.Count {
		return fmt.Sprintf("%s: %s, %d shown", k.Title, comma(k.Count), len(k.Shown))
	}
	return fmt.Sprintf("%s: %s", k.Title, comma(k.Count))
}

// AuditPage is the page of an audit alone: the same section, with more pictures.
func AuditPage(name string, images *formats.Images, dataset *formats.Dataset, s *audit.Saved) ([]byte, error) {
	r := &Run{Stored: runs.Stored{}, Images: images, Dataset: dataset, Classes: images.Classes, Audit: s}
	t, err := template.New("page").Funcs(functions(r)).ParseFS(templates, "*.tmpl.html")
	if err != nil {
		return nil, err
	}
	if t, err = look.AddTemplates(t); err != nil {
		return nil, err
	}
	total := len(dataset.AllRows())
	var page bytes.Buffer
	err = t.ExecuteTemplate(&page, "auditpage.tmpl.html", map[string]any{
		"Name": name, "Style": look.Style + template.CSS(style), "Images": wording.Count(total, "image"), "Classes": len(images.Classes),
		"Content": newAuditContent(s, &Thumbnails{run: r, left: auditPageBudget}, auditPageShown),
	})
	return page.Bytes(), err
}
