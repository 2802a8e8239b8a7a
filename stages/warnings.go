package stages

import (
	"tlpipe/stages/decode"
	"tlpipe/stages/evaluate"
	"tlpipe/stages/finetune"
	"tlpipe/stages/formats"
	"tlpipe/stages/normalize"
)

// Warnings tells of the artifacts of a run, by the stages that made them, what makes its results worse, or look better, than
// they should. It reads what is stored, so that a run whose stages are all cached warns as the first one did. What can't
// be read warns of nothing: who needs it says so.
func Warnings(dirs map[string]string) (list []string) {
	if dir := dirs["decode"]; dir != "" {
		list = append(list, decode.Warnings(dir)...)
	}
	if dir := dirs["normalize"]; dir != "" {
		list = append(list, normalize.Warnings(dir)...)
	}
	if dir := dirs["fine-tune"]; dir != "" {
		list = append(list, finetune.Warnings(dir)...)
	}
	if dir := dirs["evaluate"]; dir != "" {
		if report, err := formats.ReadReport(dir); err == nil {
			list = append(list, evaluate.Warnings(report, dirs["fine-tune"])...)
		}
	}
	return list
}
