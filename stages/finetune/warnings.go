package finetune

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"tlpipe/savedmodels"
	"tlpipe/stages/formats"
	"tlpipe/stages/wording"
)

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

// SaturatedText says of probabilities that say nothing what helps.
func SaturatedText(certain, count int, split, help string) string {
	return fmt.Sprintf("the probabilities of %s of %s are 0 or 1 (saturated), so that they do not tell how sure the model is: %s",
		wording.Share(certain, count, "image"), split, help)
}

// Saturated reports whether nearly all images are certain, which means that their most probable class has the probability 1.
func Saturated(certain, count int) bool { return count > 0 && 100*certain >= 99*count }

// IsCertain reports whether a probability is 1 in the six digits that artifacts hold.
func IsCertain(p float64) bool { return p >= 1-0.5e-6 }

// HelpOf names the settings that help a head against too large numbers.
func HelpOf(normalization string, learningRate float64) string {
	if normalization == "none" || normalization == "" {
		return fmt.Sprintf("set model.head.normalization: layer, or a lower fine-tune.optimizer.learning_rate (now %v)", learningRate)
	}
	return fmt.Sprintf("set a lower fine-tune.optimizer.learning_rate (now %v), or fine-tune.schedule.warmup_epochs", learningRate)
}

// Help is HelpOf the settings that a model in dir was trained with, and the largest weight of a class.
func Help(dir string) (text string, weight float64, classes int, err error) {
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
	return HelpOf(spec.Normalization, rate), weight, len(trained.Classes), err
}

// Warnings tells of a model whose training began absurdly.
func Warnings(dir string) []string {
	history, err := formats.ReadHistory(dir)
	if err != nil || len(history) == 0 {
		return nil
	}
	text, weight, classes, err := Help(dir)
	if err != nil || !absurdLoss(history[0].Loss, classes, weight) {
		return nil
	}
	return []string{absurdText("the first epoch of training", history[0].Loss, classes, text)}
}
