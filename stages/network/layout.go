package network

import (
	"tlpipe/savedmodels"
	"tlpipe/stages/machine"
)

// LayOut says in a spec what to lay the graph out for: nothing on GPUs, but where training in float16 scales the loss.
func LayOut(spec *savedmodels.Prefix, stage, setting string, m machine.Machine) error {
	precision, err := machine.ResolvePrecision(stage, setting, m)
	if m.Device == "cpu" || (precision == "float16" && stage == "fine-tune") {
		spec.Precision = precision
	}
	spec.MatrixUnits = precision == "bfloat16" && m.CPUClass == "amx"
	return err
}
