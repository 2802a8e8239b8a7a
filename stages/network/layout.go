package network

import (
	"tlpipe/savedmodels"
	"tlpipe/stages/machine"
)

// LayOut sets in a spec the precision that the exported graph is specialized for. On a GPU there is none, except that training
// in float16 needs loss scaling in the graph. stage is featurize or fine-tune, setting its precision setting.
func LayOut(spec *savedmodels.Prefix, stage, setting string, m machine.Machine) error {
	precision, err := machine.ResolvePrecision(stage, setting, m)
	if m.Device == "cpu" || (precision == "float16" && stage == "fine-tune") {
		spec.Precision = precision
	}
	spec.MatrixUnits = precision == "bfloat16" && m.CPUClass == "amx"
	return err
}
