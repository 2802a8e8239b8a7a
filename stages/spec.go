package stages

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/progress"
	"tlpipe/pipeline/store"
	"tlpipe/savedmodels"
)

// prefixSpec is the frozen part of the network that a config describes; see weighted for weights from a file.
func prefixSpec(c *Config) savedmodels.Prefix {
	layers := layerNames(c.Model.Backbone)
	spec := savedmodels.Prefix{
		Backbone: c.Model.Backbone, Weights: c.Model.Weights, Input: [2]int(c.Model.Input),
		Preprocess: savedmodels.Preprocess{Mode: "caffe"},
		Taps:       slices.Clone(c.Model.TruncateAt),
		Freeze:     c.Model.FreezeThrough,
		Pooling:    c.Model.Pooling,
	}
	slices.SortFunc(spec.Taps, func(a, b string) int { return slices.Index(layers, a) - slices.Index(layers, b) })
	spec.Taps = slices.Compact(spec.Taps)
	if n := c.Stages.Normalize; n != nil {
		spec.Preprocess = savedmodels.Preprocess{Mode: n.Mode, Mean: n.Mean, Std: n.Std}
	}
	if f := c.Stages.Featurize; f != nil && f.Copies > 1 {
		spec.Augment = f.Augment.spec()
	}
	spec.Freeze = spec.Cut() // the same network by whichever name
	return spec
}

// exportedPrefix is prefixSpec with its weights named, laid out for the precision that featurize computes in here.
func exportedPrefix(ctx context.Context, c *Config, env Env) (savedmodels.Prefix, error) {
	spec, err := weighted(ctx, c, env, prefixSpec(c))
	if err != nil {
		return spec, err
	}
	return spec, layOut(&spec, "featurize", c.Stages.Featurize.Precision, env.Machine)
}

// exportedSuffix is suffixSpec with its weights named, laid out for the precision that fine-tune computes in here.
func exportedSuffix(ctx context.Context, c *Config, classes int, env Env) (spec savedmodels.Suffix, err error) {
	spec = suffixSpec(c, classes)
	if spec.Prefix, err = weighted(ctx, c, env, spec.Prefix); err != nil {
		return spec, err
	}
	return spec, layOut(&spec.Prefix, "fine-tune", c.Stages.FineTune.Precision, env.Machine)
}

// layOut says in a spec what to lay the graph out for: nothing on GPUs, but where training in float16 scales the loss.
func layOut(spec *savedmodels.Prefix, stage, setting string, m Machine) error {
	precision, err := resolvePrecision(stage, setting, m)
	if m.Device == "cpu" || (precision == "float16" && stage == "fine-tune") {
		spec.Precision = precision
	}
	spec.MatrixUnits = precision == "bfloat16" && m.CPUClass == "amx"
	return err
}

// suffixSpec is the part of the network that trains, for so many classes.
func suffixSpec(c *Config, classes int) savedmodels.Suffix {
	s := c.Stages.FineTune
	spec := savedmodels.Suffix{
		Prefix: prefixSpec(c), Classes: classes, Normalization: c.Model.Head.Normalization,
		Units: append([]int{}, c.Model.Head.Units...), Dropout: c.Model.Head.Dropout, LabelSmoothing: s.LabelSmoothing,
		Optimizer: savedmodels.Optimizer{
			Name: s.Optimizer.Name, Convention: s.Optimizer.Convention, Momentum: s.Optimizer.Momentum,
			Nesterov: s.Optimizer.Nesterov, WeightDecay: s.Optimizer.WeightDecay,
			ClipNorm: s.Optimizer.ClipNorm, GlobalClipNorm: s.Optimizer.GlobalClipNorm, ClipValue: s.Optimizer.ClipValue,
		},
		LearningRates: c.learningRates(), ClassWeights: !s.ClassWeight.none(), HeadFirst: s.HeadFirstEpochs > 0,
	}
	spec.Prefix.Augment = s.Augment.spec() // and not that of the features
	return spec
}

// layerNames are the layers of a backbone in network order; nil if it is unknown.
func layerNames(backbone string) []string {
	var names []string
	for _, layer := range savedmodels.Layers(backbone) {
		names = append(names, layer.Name)
	}
	return names
}

// nothingFrozen reports whether the whole network trains from the pixels.
func (c *Config) nothingFrozen() bool { return c.Model.FreezeThrough == "none" }

// resolvePrecision is the precision a stage computes in on this machine.
func resolvePrecision(stage, setting string, m Machine) (string, error) {
	switch {
	case setting == "auto" && m.BFloat16():
		return "bfloat16", nil
	case setting == "auto":
		return "float32", nil
	case setting == "bfloat16" && !m.BFloat16():
		return "", exit.Errorf(exit.Usage, "%s.precision is bfloat16, which needs a CPU that has it in hardware; here models run on %s (%s), and TensorFlow would abort: set float32 or auto",
			stage, m.Device, m.CPUClass)
	case setting == "int8" && !m.Int8():
		return "", exit.Errorf(exit.Usage, "%s.precision is int8, which needs a CPU with VNNI; here models run on %s (%s): set float32 or auto",
			stage, m.Device, m.CPUClass)
	case setting == "float16" && m.Device == "cpu":
		return "", exit.Errorf(exit.Usage, "%s.precision is float16, which is for GPUs: set bfloat16, float32 or auto", stage)
	}
	return setting, nil
}

// checkJIT refuses XLA where it does harm.
func checkJIT(stage string, jit bool, m Machine) error {
	if jit && m.Device == "cpu" {
		return exit.Errorf(exit.Usage, "%s.jit_compile is for GPUs: on a CPU XLA runs convolutions without oneDNN, fifty times slower: set it to false", stage)
	}
	return nil
}

// machineLines are the key lines of what every stage that runs a model depends on.
func machineLines(m Machine) ([]store.Line, error) {
	if m.TensorFlow == "" {
		return nil, exit.Errorf(exit.NoRuntime, "there is no model runtime, so its version is not known: run `make deps build`")
	}
	kind, _, _ := strings.Cut(m.Device, ":") // which of several equal GPUs does not matter
	return []store.Line{{Name: "tensorflow", Value: m.TensorFlow}, {Name: "tensorflow_build", Value: m.Build}, {Name: "device", Value: kind}}, nil
}

// loadModel loads a SavedModel for a stage, which sees in its profile how long that and each call takes. Of opts it completes
// where the model runs.
func loadModel(c *Config, env Env, dir string, opts savedmodels.Options, report *progress.Reporter) (savedmodels.Model, error) {
	if env.Runtime == nil {
		return nil, exit.Errorf(exit.NoRuntime, "this process links no model runtime: run `make build`")
	}
	defer report.Span("load", "load model")()
	opts.Device, opts.Threads = env.Machine.Device, cmp.Or(opts.Threads, c.Threads)
	model, err := env.Runtime.Load(dir, opts)
	if err != nil {
		return nil, err
	}
	return profiledModel{model, report}, nil
}

// profiledModel reports its calls as spans.
type profiledModel struct {
	savedmodels.Model
	report *progress.Reporter
}

func (m profiledModel) Run(ctx context.Context, signature string, inputs map[string]savedmodels.Tensor) (map[string]savedmodels.Tensor, error) {
	defer m.report.Span("compute", signature)()
	return m.Model.Run(ctx, signature, inputs)
}

// setLine replaces the value of a key line.
func setLine(lines []store.Line, name, value string) {
	for i := range lines {
		if lines[i].Name == name {
			lines[i].Value = value
		}
	}
}
