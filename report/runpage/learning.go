package runpage

import (
	"fmt"

	"tlpipe/report/look"
)

// learningContent is what the section on the training shows.
type learningContent struct {
	Sentence             string
	Accuracy, Loss, Rate *look.Plot
}

func learning(r *Run, _ *Thumbnails) (any, string, error) {
	if len(r.History) == 0 {
		return nil, "the run trained nothing, or its history is gone", nil
	}
	var epochs, accuracy, loss, rate, measured, valAccuracy, valLoss []float64
	for _, e := range r.History {
		epochs, accuracy, loss, rate = append(epochs, float64(e.Epoch)), append(accuracy, e.Accuracy), append(loss, e.Loss), append(rate, e.LearningRate)
		if e.ValAccuracy != nil && e.ValLoss != nil {
			measured, valAccuracy, valLoss = append(measured, float64(e.Epoch)), append(valAccuracy, *e.ValAccuracy), append(valLoss, *e.ValLoss)
		}
	}
	first, last := r.History[0], r.History[len(r.History)-1]
	x := look.Axis{Title: "epoch", Low: float64(first.Epoch), High: float64(last.Epoch), Ticks: 8, Whole: true}
	c := learningContent{
		Accuracy: look.Draw(fmt.Sprintf("Accuracy by epoch: on training images it ends at %.3f", last.Accuracy), x, look.Axis{Title: "accuracy"},
			look.Curve{Name: "train", Colour: 0, Dashed: true, X: epochs, Y: accuracy}, look.Curve{Name: nameIf("val", measured), Colour: 1, X: measured, Y: valAccuracy}),
		Loss: look.Draw(fmt.Sprintf("Loss by epoch: on training images it ends at %.3f", last.Loss), x, look.Axis{Title: "loss"},
			look.Curve{Name: "train", Colour: 0, Dashed: true, X: epochs, Y: loss}, look.Curve{Name: nameIf("val", measured), Colour: 1, X: measured, Y: valLoss}),
		Rate: look.Draw(fmt.Sprintf("Learning rate by epoch, from %.3g to %.3g", first.LearningRate, last.LearningRate), x, look.Axis{Title: "learning rate", Ticks: 3}, look.Curve{Colour: 3, X: epochs, Y: rate}),
	}
	c.Sentence = fmt.Sprintf("%d epochs.", len(r.History))
	if len(measured) == 0 {
		c.Sentence += " There is no val split, so nothing says when it began to learn by heart."
	}
	if r.Trained != nil && r.Trained.Epoch > 0 {
		c.Sentence += fmt.Sprintf(" The weights of epoch %d were kept.", r.Trained.Epoch)
		for _, p := range []*look.Plot{c.Accuracy, c.Loss} {
			if p != nil {
				p.Mark(float64(r.Trained.Epoch), "kept")
			}
		}
	}
	return c, "", nil
}

func nameIf(name string, points []float64) string {
	if len(points) == 0 {
		return ""
	}
	return name
}
