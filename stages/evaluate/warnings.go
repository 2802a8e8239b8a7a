package evaluate

import (
	"tlpipe/stages/finetune"
	"tlpipe/stages/formats"
)

// Warnings tells what a report itself shows of the model in modelDir.
func Warnings(r *formats.Report, modelDir string) []string {
	if !finetune.Saturated(r.Certain, r.Count) {
		return nil
	}
	text, _, _, err := finetune.Help(modelDir)
	if err != nil {
		text = finetune.HelpOf("none", 0)
	}
	return []string{finetune.SaturatedText(r.Certain, r.Count, r.Split, text)}
}
