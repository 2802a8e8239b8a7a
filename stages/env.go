package stages

import (
	"tlpipe/pipeline/config"
	"tlpipe/savedmodels"
	"tlpipe/stages/finetune"
	"tlpipe/stages/machine"
)

// Env is what the stages need from the process that they are listed in.
type Env struct {
	machine.Resources
	Source   *config.Source     // says where settings were given; nil: that is not known
	Continue *finetune.Previous // the training that fine-tune continues; nil: it begins anew
}

// Payload is what the worker needs to list the stages as the command listed them.
type Payload struct {
	Config  Config          `json:"config"`
	Machine machine.Machine `json:"machine"`

	Continue *finetune.Previous `json:"continue,omitempty"`
}

// Env is that of the worker.
func (p Payload) Env(runtime savedmodels.Runtime) Env {
	return Env{Resources: machine.Resources{Runtime: runtime, Machine: p.Machine}, Continue: p.Continue}
}
