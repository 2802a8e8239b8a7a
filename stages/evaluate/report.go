package evaluate

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"tlpipe/pipeline/sanitize"
	"tlpipe/stages/formats"
	"tlpipe/stages/temperature"
	"tlpipe/stages/wording"
)

const (
	matrixClasses   = 20 // a larger confusion matrix is not shown in the text
	worstConfusions = 10
)

// writeReport writes every file of a report, metrics.json last.
func writeReport(dir string, r *formats.Report, warnings, classes []string, predictions []prediction, rows []int64, samples []formats.Sample) error {
	matrix := confusion(len(classes), predictions)
	for name, table := range map[string][][]string{
		"confusion_matrix.csv": matrixTable(classes, matrix),
		"per_class.csv":        classTable(r.PerClass),
		"predictions.csv":      predictionTable(r.Split, classes, predictions, rows, samples),
	} {
		var text bytes.Buffer
		if err := csv.NewWriter(&text).WriteAll(table); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := formats.WriteFileAtomic(filepath.Join(dir, name), text.Bytes()); err != nil {
			return err
		}
	}
	if err := formats.WriteFileAtomic(filepath.Join(dir, "report.txt"), []byte(reportText(r, warnings, classes, matrix))); err != nil {
		return err
	}
	return formats.WriteJSON(filepath.Join(dir, "metrics.json"), r)
}

// digits writes a number with six digits after the point.
func digits(v float64) string { return strconv.FormatFloat(v, 'f', 6, 64) }

func matrixTable(classes []string, matrix [][]int) [][]string {
	head := []string{"label \\ predicted"}
	for _, class := range classes {
		head = append(head, sanitize.Cell(class))
	}
	table := [][]string{head}
	for class, counts := range matrix {
		line := []string{head[class+1]}
		for _, n := range counts {
			line = append(line, strconv.Itoa(n))
		}
		table = append(table, line)
	}
	return table
}

func classTable(metrics []formats.ClassMetrics) [][]string {
	table := [][]string{{"class", "precision", "recall", "f1", "support"}}
	for _, m := range metrics {
		table = append(table, []string{sanitize.Cell(m.Class), digits(m.Precision), digits(m.Recall), digits(m.F1), strconv.Itoa(m.Support)})
	}
	return table
}

func predictionTable(split string, classes []string, predictions []prediction, rows []int64, samples []formats.Sample) [][]string {
	table := [][]string{formats.PredictionColumns}
	for i, p := range predictions {
		table = append(table, []string{sanitize.Cell(samples[rows[i]].Path), split, sanitize.Cell(classes[p.label]), sanitize.Cell(classes[p.predicted]),
			digits(p.probability), strconv.FormatBool(p.label == p.predicted)})
	}
	return table
}

// reportText is report.txt: what a person wants to see first.
func reportText(r *formats.Report, warnings, classes []string, matrix [][]int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, %s\n\n", r.Split, wording.Count(r.Count, "image"), wording.Count(len(classes), "class"))
	for _, text := range warnings {
		fmt.Fprintf(&b, "warning: %s\n", text)
	}
	if len(warnings) > 0 {
		b.WriteString("\n")
	}
	columns(&b, 0, func(w *tabwriter.Writer) {
		fmt.Fprintf(w, "accuracy\t%.4f\t95 %% interval %.4f to %.4f\n", r.Accuracy, r.AccuracyInterval[0], r.AccuracyInterval[1])
		ks := make([]int, 0, len(r.TopK))
		for k := range r.TopK {
			n, _ := strconv.Atoi(k)
			ks = append(ks, n)
		}
		for _, k := range slices.Sorted(slices.Values(ks)) {
			if k > 1 {
				fmt.Fprintf(w, "top-%d accuracy\t%.4f\n", k, r.TopK[strconv.Itoa(k)])
			}
		}
		fmt.Fprintf(w, "loss\t%.4f\n", r.Loss)
		fmt.Fprintf(w, "macro precision\t%.4f\nmacro recall\t%.4f\nmacro F1\t%.4f\n", r.Macro.Precision, r.Macro.Recall, r.Macro.F1)
		fmt.Fprintf(w, "calibration error\t%.4f\texpected, %d bins\n", r.Calibration.ECE, temperature.Bins)
		if r.Calibrated != nil {
			fmt.Fprintf(w, "after calibration\t%.4f\tthe same with logits divided by the temperature %.4f, fitted on val: predict --calibrated\n", r.Calibrated.ECE, r.Temperature)
		}
		if r.ServedAgreement != nil {
			fmt.Fprintf(w, "served agreement\t%.4f\tfrom pixels on %s, probabilities differ by at most %.6f\n",
				*r.ServedAgreement, wording.Count(r.Served, "image"), *r.ServedDifference)
		}
	})
	b.WriteString("\n")
	columns(&b, tabwriter.AlignRight, func(w *tabwriter.Writer) {
		fmt.Fprint(w, "class\tprecision\trecall\tF1\timages\t\n")
		for _, m := range r.PerClass {
			fmt.Fprintf(w, "%s\t%.4f\t%.4f\t%.4f\t%d\t\n", m.Class, m.Precision, m.Recall, m.F1, m.Support)
		}
	})
	if len(classes) <= matrixClasses {
		b.WriteString("\nconfusion matrix: a line for each label, a column for each predicted class in the same order\n\n")
		columns(&b, tabwriter.AlignRight, func(w *tabwriter.Writer) {
			for class, counts := range matrix {
				fmt.Fprintf(w, "%s\t", classes[class])
				for _, n := range counts {
					fmt.Fprintf(w, "%d\t", n)
				}
				fmt.Fprint(w, "\n")
			}
		})
	}
	if worst := confusions(matrix); len(worst) > 0 {
		b.WriteString("\nworst confusions\n\n")
		columns(&b, 0, func(w *tabwriter.Writer) {
			for _, c := range worst[:min(len(worst), worstConfusions)] {
				fmt.Fprintf(w, "%d\t%s taken for %s\t%.1f %% of %s\n", c.count, classes[c.label], classes[c.predicted], 100*c.share, classes[c.label])
			}
		})
	}
	return b.String()
}

// columns lines up what fill writes.
func columns(b *strings.Builder, flags uint, fill func(w *tabwriter.Writer)) {
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', flags)
	fill(w)
	w.Flush()
	for line := range strings.Lines(table.String()) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
}

type confused struct {
	label, predicted, count int
	share                   float64 // of the label's images
}

// confusions lists what is taken for something else, the most frequent first.
func confusions(matrix [][]int) []confused {
	var list []confused
	for label, counts := range matrix {
		support := 0
		for _, n := range counts {
			support += n
		}
		for predicted, n := range counts {
			if n > 0 && label != predicted {
				list = append(list, confused{label, predicted, n, ratio(n, support)})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b confused) int { return cmp.Compare(b.count, a.count) })
	return list
}
