package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"tlpipe/pipeline/sanitize"
	"tlpipe/stages/predict"
)

// predictionWriter prints predictions in one of three forms, as they come.
type predictionWriter struct {
	images, classes []string
	out             *bufio.Writer
	line            func(image string, p predict.Prediction) error
}

func newPredictionWriter(c *cli.Context, images, classes []string) *predictionWriter {
	w := &predictionWriter{images: images, classes: classes, out: bufio.NewWriter(c.App.Writer)}
	switch {
	case c.Bool("json"):
		w.line = w.json()
	case c.Bool("csv"):
		w.line = w.csv()
	default:
		w.line = w.table()
	}
	return w
}

func (w *predictionWriter) write(p predict.Prediction) error {
	if err := w.line(w.images[p.Image], p); err != nil {
		return err
	}
	if p.Image+1 == len(w.images) || w.out.Buffered() > 0 && p.Image%16 == 15 {
		return w.out.Flush() // someone may be waiting
	}
	return nil
}

func (w *predictionWriter) close() error { return w.out.Flush() }

func (w *predictionWriter) json() func(string, predict.Prediction) error {
	type class struct {
		Class       string  `json:"class"`
		Index       int     `json:"index"`
		Probability float32 `json:"probability"`
	}
	type line struct {
		Image       string  `json:"image"`
		Predictions []class `json:"predictions"`
	}
	enc := json.NewEncoder(w.out)
	enc.SetEscapeHTML(false)
	return func(image string, p predict.Prediction) error {
		l := line{Image: sanitize.UTF8(image)}
		for i, index := range p.Classes {
			l.Predictions = append(l.Predictions, class{w.classes[index], index, p.Probabilities[i]})
		}
		return enc.Encode(l)
	}
}

func (w *predictionWriter) csv() func(string, predict.Prediction) error {
	out := csv.NewWriter(w.out)
	head := []string{"image", "rank", "class", "probability"}
	return func(image string, p predict.Prediction) error {
		if head != nil {
			out.Write(head)
			head = nil
		}
		for i, index := range p.Classes {
			out.Write([]string{sanitize.Cell(image), strconv.Itoa(i + 1), sanitize.Cell(w.classes[index]), strconv.FormatFloat(float64(p.Probabilities[i]), 'g', -1, 32)})
		}
		out.Flush()
		return out.Error()
	}
}

// table prints aligned columns. All names are known before, so it need not wait for the last image.
func (w *predictionWriter) table() func(string, predict.Prediction) error {
	const widest = 60 // longer paths push their line to the right
	width := func(names []string, least string) int {
		most := len(least)
		for _, name := range names {
			if n := utf8.RuneCountInString(sanitize.Name(name)); n <= widest {
				most = max(most, n)
			}
		}
		return most
	}
	first, second := width(w.images, "image"), width(w.classes, "class")
	row := func(image, class, probability string) {
		fmt.Fprintf(w.out, "%-*s  %-*s  %s\n", first, image, second, class, probability)
	}
	begun := false
	return func(image string, p predict.Prediction) error {
		if !begun {
			row("image", "class", "probability")
			begun = true
		}
		image = sanitize.Name(image)
		for i, index := range p.Classes {
			row(image, sanitize.Name(w.classes[index]), strconv.FormatFloat(float64(p.Probabilities[i]), 'f', 4, 32))
			image = "" // once for all its classes
		}
		return nil
	}
}
