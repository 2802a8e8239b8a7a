package audit

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"tlpipe/pipeline/guard"
	"tlpipe/stages/formats"
	"tlpipe/stages/wording"
)

// Data is what is looked at.
type Data struct {
	Images   *formats.Images
	Dataset  *formats.Dataset
	Features *formats.Features // nil: nothing is frozen, so there are none
	Samples  []formats.Sample  // of all rows of Images
	Files    []File            // of all rows of Images; nil: the pictures come from no files of their own
	Aside    []formats.Rejected
}

// Finding is one thing about one picture.
type Finding struct {
	Kind      string
	Row       int64
	Other     int64 // the row of the other picture of a pair; -1: there is none
	Score     float64
	Suggested int // class; -1: none
}

// Result is what was found.
type Result struct {
	Data
	Counts   map[string][]int // images of each class by split
	Findings []Finding        // by kind, in the order of Kinds, and then what is surest first
	Notes    []string         // what could not be looked at, and what most pictures are
	contents []string         // ContentID of each row looked at
	rows     []int64          // that were looked at, ascending
}

// Run looks at all images of the splits.
func Run(ctx context.Context, d Data, done func(images int)) (*Result, error) {
	r := &Result{Data: d, Counts: d.Dataset.Counts, rows: d.Dataset.AllRows()}
	if len(r.rows) == 0 {
		return nil, fmt.Errorf("there are no images to look at: no split has any")
	}
	seen, err := r.lookAt(ctx, done)
	if err != nil {
		return nil, err
	}
	r.looksFindings(seen)
	r.fileFindings()
	kept := r.identical(seen)
	if d.Features == nil {
		r.notef("nothing is frozen, so there are no features: labels were not judged, and pictures are called nearly the same where their perceptual hashes are equal")
		r.sameHash(seen, kept)
	} else if err := r.byFeatures(ctx, seen, kept); err != nil {
		return nil, err
	}
	r.sort()
	return r, nil
}

func (r *Result) notef(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

func (r *Result) add(kind string, i, other int, score float64, suggested int) {
	f := Finding{Kind: kind, Row: r.rows[i], Other: -1, Score: score, Suggested: suggested}
	if other >= 0 {
		f.Other = r.rows[other]
	}
	r.Findings = append(r.Findings, f)
}

// lookAt measures all images.
func (r *Result) lookAt(ctx context.Context, done func(images int)) ([]looks, error) {
	seen := make([]looks, len(r.rows))
	images := r.Images
	const chunk = 64
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for first := 0; first < len(r.rows); first += chunk {
		work.Go(func() error {
			return guard.Run(func() error {
				end := min(first+chunk, len(r.rows))
				for i := first; i < end; i++ {
					if err := ctx.Err(); err != nil {
						return err
					}
					var err error
					if seen[i], err = look(images.Pixels.Row(int(r.rows[i])), images.Height, images.Width, images.Channels); err != nil {
						return fmt.Errorf("%s: %w", r.Samples[r.rows[i]].Path, err)
					}
				}
				if done != nil {
					done(end - first)
				}
				return nil
			})
		})
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	for i := range seen {
		r.contents = append(r.contents, seen[i].content)
	}
	return seen, nil
}

// looksFindings are those of the pixels alone.
func (r *Result) looksFindings(seen []looks) {
	for _, kind := range []struct {
		name  string
		below float64
		of    func(*looks) float64
	}{
		{Dark, darkBelow, func(l *looks) float64 { return l.dark }},
		{Bright, brightBelow, func(l *looks) float64 { return l.bright }},
		{Blurred, blurredBelow, func(l *looks) float64 { return l.blurred }},
		{LittleIn, informationBelow, func(l *looks) float64 { return l.information }},
	} {
		r.addUnlessMost(kind.name, func(i int) (float64, bool) { v := kind.of(&seen[i]); return v, v < kind.below })
	}
	if r.Images.Channels == 3 {
		r.addUnlessMost(Gray, func(i int) (float64, bool) { return 0, seen[i].gray })
	}
}

// addUnlessMost adds a finding for each image that is such, or a note where most are: then that is how the data set is.
func (r *Result) addUnlessMost(kind string, is func(i int) (score float64, is bool)) {
	before := len(r.Findings)
	for i := range r.rows {
		if score, such := is(i); such {
			r.add(kind, i, -1, score, -1)
		}
	}
	if n := len(r.Findings) - before; float64(n) > mostPrevalent*float64(len(r.rows)) && n > 1 {
		r.Findings = r.Findings[:before]
		r.notef("%s: so %s, which is how this data set is and no finding", wording.Share(n, len(r.rows), "image"), Kinds[kindOrder(kind)].Title)
	}
}

// identical finds equal pictures, and gives the index of the first of each.
func (r *Result) identical(seen []looks) (firsts []int) {
	groups := map[string][]int{}
	for i := range seen {
		groups[seen[i].content] = append(groups[seen[i].content], i)
	}
	for i := range seen {
		group := groups[seen[i].content]
		if group[0] == i {
			firsts = append(firsts, i)
			continue
		}
		kind, other := r.pairKind(i, group, SameOtherLabel, SameAcross, Same)
		r.add(kind, i, other, 1, -1)
	}
	return firsts
}

// pairKind says how an image stands to those that it equals: which of them has another label, lies in another split, or is
// the first.
func (r *Result) pairKind(i int, group []int, label, across, same string) (kind string, other int) {
	for _, j := range group {
		if j != i && r.label(j) != r.label(i) {
			return label, j
		}
	}
	for _, j := range group {
		if j != i && r.split(j) != r.split(i) {
			return across, j
		}
	}
	return same, group[0]
}

func (r *Result) label(i int) int    { return int(r.Images.Labels[r.rows[i]]) }
func (r *Result) split(i int) string { return r.Dataset.SplitOf(r.rows[i]) }

// sameHash calls pictures with the same perceptual hash nearly the same.
func (r *Result) sameHash(seen []looks, kept []int) {
	groups := map[uint64][]int{}
	for _, i := range kept {
		groups[seen[i].hash] = append(groups[seen[i].hash], i)
	}
	for _, i := range kept {
		if group := groups[seen[i].hash]; group[0] != i {
			kind, other := r.pairKind(i, group, NearOtherLabel, NearAcross, Near)
			r.add(kind, i, other, 1, -1)
		}
	}
}

// byFeatures finds near duplicates and label errors.
func (r *Result) byFeatures(ctx context.Context, seen []looks, kept []int) error {
	s, err := newSpace(ctx, r.Features)
	if err != nil {
		return err
	}
	index := map[int64]int{}
	for i, row := range s.rows {
		index[row] = i
	}
	broken := map[int64]bool{}
	for _, row := range s.broken {
		broken[row] = true
	}
	at, back := make([]int, 0, len(kept)), map[int]int{} // in the space, and from there in r.rows
	for _, i := range kept {
		if j, ok := index[r.rows[i]]; ok && !broken[r.rows[i]] {
			at, back[j] = append(at, j), i
		}
	}
	for i, row := range r.rows {
		if broken[row] {
			r.add(NotFinite, i, -1, 0, -1)
		}
	}
	pairs, err := s.nearPairs(ctx, at, func(a, b int) bool {
		x, y := &seen[back[a]], &seen[back[b]]
		return min(hashDistance(x.hash, y.hash), hashDistance(x.hash, y.mirrored)) <= nearHash
	})
	if err != nil {
		return err
	}
	r.nearFindings(pairs, back)
	return r.labelFindings(ctx, s, index, broken)
}

// nearFindings gives each picture but the first of those that are nearly the same one finding: of the pair that harms most,
// and of those of the nearest.
func (r *Result) nearFindings(pairs []pair, back map[int]int) {
	best := map[int]Finding{} // by index in r.rows
	for _, p := range pairs {
		i, j := back[p.a], back[p.b]
		if i < j {
			i, j = j, i
		}
		kind, _ := r.pairKind(i, []int{j}, NearOtherLabel, NearAcross, Near)
		f := Finding{Kind: kind, Row: r.rows[i], Other: r.rows[j], Score: p.cosine, Suggested: -1}
		old, ok := best[i]
		if !ok || cmp.Or(kindOrder(f.Kind)-kindOrder(old.Kind), cmp.Compare(old.Score, f.Score), cmp.Compare(f.Other, old.Other)) < 0 {
			best[i] = f
		}
	}
	for i := range r.rows {
		if f, ok := best[i]; ok {
			r.Findings = append(r.Findings, f)
		}
	}
}

func (r *Result) labelFindings(ctx context.Context, s *space, index map[int64]int, broken map[int64]bool) error {
	var judged, labels []int
	var points []float32
	for i, row := range r.rows {
		if j, ok := index[row]; ok && !broken[row] {
			judged, labels = append(judged, i), append(labels, r.label(i))
			points = append(points, s.point(j)...)
		}
	}
	classes := len(r.Images.Classes)
	if classes < 2 || len(judged) < 2*folds {
		r.notef("labels were not judged: that takes two classes and %d images", 2*folds)
		return nil
	}
	if slices.Max(points) == slices.Min(points) { // the heads would learn nothing but which class is the largest
		r.notef("labels were not judged: the features of all images are the same")
		return nil
	}
	probabilities, err := crossValidated(ctx, points, s.components, labels, classes, headPenalty)
	if err != nil {
		return err
	}
	for at, issue := range labelIssues(labels, probabilities, classes) {
		if issue {
			row := probabilities[at*classes : (at+1)*classes]
			r.add(LabelError, judged[at], -1, row[labels[at]], slices.Index(row, slices.Max(row)))
		}
	}
	return nil
}

// sort brings the findings into their order.
func (r *Result) sort() {
	surest := func(f Finding) float64 {
		if Kinds[kindOrder(f.Kind)].Pair {
			return -f.Score
		}
		return f.Score
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(kindOrder(a.Kind)-kindOrder(b.Kind), cmp.Compare(surest(a), surest(b)), cmp.Compare(a.Row, b.Row))
	})
}

// Of are the findings of a kind.
func (r *Result) Of(kind string) (list []Finding) {
	for _, f := range r.Findings {
		if f.Kind == kind {
			list = append(list, f)
		}
	}
	return list
}

// Rows are the lines of audit.csv. Where pictures contradict each other, by label or by split, either may be the one to leave
// out, so each has a line.
func (r *Result) Rows() (list []formats.AuditRow) {
	seen := map[Finding]bool{}
	for _, f := range r.Findings {
		lines := []Finding{f}
		switch f.Kind {
		case SameOtherLabel, NearOtherLabel, SameAcross, NearAcross:
			back := f
			back.Row, back.Other = f.Other, f.Row
			lines = append(lines, back)
		}
		for _, f := range lines {
			if !seen[f] {
				seen[f] = true
				list = append(list, r.line(f))
			}
		}
	}
	return list
}

func (r *Result) line(f Finding) formats.AuditRow {
	at, _ := slices.BinarySearch(r.rows, f.Row)
	row := formats.AuditRow{
		Path: r.Samples[f.Row].Path, Split: r.Dataset.SplitOf(f.Row), Label: r.Images.Classes[r.Images.Labels[f.Row]],
		Finding: f.Kind, Score: f.Score, Content: r.contents[at],
	}
	if f.Other >= 0 {
		row.Other = r.Samples[f.Other].Path
	}
	if f.Suggested >= 0 {
		row.Suggested = r.Images.Classes[f.Suggested]
	}
	return row
}
