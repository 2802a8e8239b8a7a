package stages

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"tlpipe/pipeline/sanitize"
	"tlpipe/savedmodels"
	"tlpipe/stages/formats"
)

// Warnings tells of the artifacts of a run, by the stages that made them, what makes its results worse, or look better, than
// they should. It reads what is stored, so that a run whose stages are all cached warns as the first one did. What can't
// be read warns of nothing: who needs it says so.
func Warnings(dirs map[string]string) (list []string) {
	if dir := dirs["decode"]; dir != "" {
		list = append(list, imagesWarnings(dir)...)
	}
	if dir := dirs["normalize"]; dir != "" {
		list = append(list, datasetWarnings(dir)...)
	}
	if dir := dirs["fine-tune"]; dir != "" {
		list = append(list, trainingWarnings(dir)...)
	}
	if dir := dirs["evaluate"]; dir != "" {
		if report, err := formats.ReadReport(dir); err == nil {
			list = append(list, reportWarnings(report, dirs["fine-tune"])...)
		}
	}
	return list
}

func imagesWarnings(dir string) (list []string) {
	info, err := formats.ReadImagesInfo(dir)
	if err != nil {
		return nil
	}
	if total := info.Count + info.Rejected; info.Rejected > 0 {
		list = append(list, fmt.Sprintf("%d of %d images could not be read and are left out: decode's rejected.jsonl lists them", info.Rejected, total))
	}
	if warning := transparentWarning(info); warning != "" {
		list = append(list, warning)
	}
	return list
}

// transparentWarning tells of images whose hidden colours train the model; "" if there are none.
func transparentWarning(info formats.ImagesInfo) string {
	if info.Transparent == 0 || info.Background != nil {
		return ""
	}
	return fmt.Sprintf("%d of %d images have transparent pixels, and the colours hidden below them are used as they are: decode.background says what shows instead, such as white",
		info.Transparent, info.Count)
}

func datasetWarnings(dir string) (list []string) {
	var d formats.Dataset
	text, err := os.ReadFile(filepath.Join(dir, "dataset.json"))
	if err != nil || json.Unmarshal(text, &d) != nil {
		return nil
	}
	list = emptyWarnings(&d)
	if d.Duplicates == 0 && d.Conflicts == 0 {
		return list
	}
	f, err := os.Open(filepath.Join(dir, "duplicates.jsonl"))
	if err != nil {
		return list
	}
	defer f.Close()
	groups, err := formats.ReadJSONLines[formats.DuplicateGroup](f)
	if err != nil {
		return list
	}
	return append(list, duplicateWarnings(groups)...)
}

// emptyWarnings names the classes that a split for measuring lacks.
func emptyWarnings(d *formats.Dataset) (list []string) {
	for _, split := range []string{formats.Val, formats.Test} {
		var without []string
		for class, n := range d.Counts[split] {
			if n == 0 {
				without = append(without, d.Classes[class])
			}
		}
		if len(without) > 0 {
			list = append(list, fmt.Sprintf("%s has no image of %s", split, strings.Join(without, ", ")))
		}
	}
	return list
}

// duplicateWarnings says how many images lie in two splits, for each pair of splits, and how many have two labels.
func duplicateWarnings(groups []formats.DuplicateGroup) (list []string) {
	pairs := map[[2]string]int{} // by the splits: those of the first that also lie in the second
	conflicts, example := 0, ""
	for _, g := range groups {
		has := map[string]int{}
		for _, image := range g.Images {
			has[image.Split]++
		}
		for i, a := range formats.Splits {
			for _, b := range formats.Splits[i+1:] {
				if has[a] > 0 && has[b] > 0 {
					pairs[[2]string{b, a}] += has[b]
				}
			}
		}
		if other := g.Conflict(); other > 0 {
			conflicts += len(g.Images)
			if example == "" {
				a, b := g.Images[0], g.Images[other]
				example = fmt.Sprintf("%s is %s and %s is %s", sanitize.Name(a.Path), a.Class, sanitize.Name(b.Path), b.Class)
			}
		}
	}
	for _, a := range formats.Splits {
		for _, b := range formats.Splits {
			if n := pairs[[2]string{a, b}]; n > 0 {
				list = append(list, fmt.Sprintf("%d %s in %s, byte for byte: what is measured there is too good; normalize's duplicates.jsonl lists them",
					n, plural(n, "image of "+a+" that also lies", "images of "+a+" that also lie"), b))
			}
		}
	}
	if conflicts > 0 {
		list = append(list, fmt.Sprintf("%d images are equal, byte for byte, to one under another label, such as %s: one of the labels is wrong; normalize's duplicates.jsonl lists them", conflicts, example))
	}
	return list
}

// absurd is how many times the loss of guessing a first loss may be. Sound ones are one to three times that, also where
// layers without normalization begin with logits in the tens.
const absurd = 10

// absurdLoss reports whether a training can't have begun with such a loss in a sound way: guessing among n classes has ln(n).
// weight is the largest factor of a class in it.
func absurdLoss(loss float64, classes int, weight float64) bool {
	return loss > absurd*math.Log(float64(max(classes, 2)))*max(1, weight)
}

// absurdText says of a training that began with an absurd loss what helps.
func absurdText(when string, loss float64, classes int, help string) string {
	return fmt.Sprintf("%s had a loss of %.4g, where guessing among %d classes has %.4g: the features are too large for the head, or its steps are: %s",
		when, loss, classes, math.Log(float64(classes)), help)
}

// saturatedText says of probabilities that say nothing what helps.
func saturatedText(certain, count int, split, help string) string {
	return fmt.Sprintf("the probabilities of %d of %d images of %s are 0 or 1 (saturated), so that they do not tell how sure the model is: %s",
		certain, count, split, help)
}

// saturated reports whether so many images whose most probable class has the probability 1 are all but some.
func saturated(certain, count int) bool { return count > 0 && 100*certain >= 99*count }

// isCertain reports whether a probability is 1 in the six digits that artifacts hold.
func isCertain(p float64) bool { return p >= 1-0.5e-6 }

// helpOf names the settings that help a head against too large numbers.
func helpOf(normalization string, learningRate float64) string {
	if normalization == "none" || normalization == "" {
		return fmt.Sprintf("set model.head.normalization: layer, or a lower fine-tune.optimizer.learning_rate (now %v)", learningRate)
	}
	return fmt.Sprintf("set a lower fine-tune.optimizer.learning_rate (now %v), or fine-tune.schedule.warmup_epochs", learningRate)
}

// help is helpOf the settings that a model in dir was trained with, and the largest weight of a class.
func help(dir string) (text string, weight float64, classes int, err error) {
	trained, err := formats.ReadTrained(dir)
	if err != nil {
		return "", 0, 0, err
	}
	card, err := savedmodels.ReadCard(dir)
	if err != nil {
		return "", 0, 0, err
	}
	var spec savedmodels.Suffix
	var rate float64
	var factors map[string]float64
	err = errors.Join(json.Unmarshal(card.Spec, &spec), json.Unmarshal(trained.Settings["optimizer.learning_rate"], &rate))
	if text, ok := trained.Settings["class_weight.factors"]; ok {
		err = errors.Join(err, json.Unmarshal(text, &factors))
	}
	for _, factor := range factors {
		weight = max(weight, factor)
	}
	return helpOf(spec.Normalization, rate), weight, len(trained.Classes), err
}

// trainingWarnings tells of a model whose training began absurdly.
func trainingWarnings(dir string) []string {
	history, err := formats.ReadHistory(dir)
	if err != nil || len(history) == 0 {
		return nil
	}
	text, weight, classes, err := help(dir)
	if err != nil || !absurdLoss(history[0].Loss, classes, weight) {
		return nil
	}
	return []string{absurdText("the first epoch of training", history[0].Loss, classes, text)}
}

// reportWarnings tells what a report itself shows of the model in modelDir.
func reportWarnings(r *formats.Report, modelDir string) []string {
	if !saturated(r.Certain, r.Count) {
		return nil
	}
	text, _, _, err := help(modelDir)
	if err != nil {
		text = helpOf("none", 0)
	}
	return []string{saturatedText(r.Certain, r.Count, r.Split, text)}
}
