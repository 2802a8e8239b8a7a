package stages

import (
	"tlpipe/stages/decode"
	"tlpipe/stages/evaluate"
	"tlpipe/stages/featurize"
	"tlpipe/stages/fetch"
	"tlpipe/stages/finetune"
	"tlpipe/stages/network"
	"tlpipe/stages/normalize"
)

// Config is a whole experiment, as its YAML file gives it.
type Config struct {
	Name    string           `yaml:"name" jsonschema:"pattern=^[A-Za-z0-9][A-Za-z0-9._-]*$,maxLength=200" jsonschema_description:"names the run and the folder latest/NAME in the store"`
	Seed    int64            `yaml:"seed" jsonschema:"minimum=0" jsonschema_description:"seeds the head's initial weights, the order of images, dropout and fine-tune's augmentation; the split and the copies of featurize have seeds of their own"`
	Threads int              `yaml:"threads" jsonschema:"minimum=1,maximum=256" jsonschema_description:"intra-op threads of TensorFlow; part of fine-tune's key because training bytes depend on it"`
	Model   network.Settings `yaml:"model"`
	Stages  Settings         `yaml:"stages" kinds:"true"`
}

// Settings hold each stage's settings; nil where the file does not list the stage. In YAML it is a list of mappings
// with one key each, in the order of these fields.
type Settings struct {
	Fetch     *fetch.Settings     `yaml:"fetch" jsonschema_description:"get the data and verify it"`
	Decode    *decode.Settings    `yaml:"decode" jsonschema_description:"turn files into uint8 arrays"`
	Normalize *normalize.Settings `yaml:"normalize" jsonschema_description:"split, statistics and the preprocessing recipe"`
	Featurize *featurize.Settings `yaml:"featurize" jsonschema_description:"run the frozen part of the network once over every image"`
	FineTune  *finetune.Settings  `yaml:"fine-tune" jsonschema_description:"train what is not frozen"`
	Evaluate  *evaluate.Settings  `yaml:"evaluate" jsonschema_description:"measure the trained model"`
}

// Public is the config without the secrets of its addresses: what may be shown and stored.
func (c Config) Public() Config {
	if c.Stages.Fetch != nil {
		public := c.Stages.Fetch.Public()
		c.Stages.Fetch = &public
	}
	return c
}
