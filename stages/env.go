package stages

import (
	"tlpipe/pipeline/config"
	"tlpipe/pipeline/store"
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
	Machine machine.Machine `json:"machine"` // that keys name
	Library string          `json:"library"` // the files that Machine's build of TensorFlow was told by, as worker.Identity has them

	Continue *finetune.Previous `json:"continue,omitempty"`
}

// Env is that of the worker, which has its own store.
func (p Payload) Env(runtime savedmodels.Runtime, s *store.Store) (env Env, err error) {
	env = Env{Resources: machine.Resources{Runtime: runtime, Machine: p.Machine}}
	if p.Continue != nil {
		env.Continue, err = p.Continue.In(s)
	}
	return env, err
}
