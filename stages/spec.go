package stages

import (
	"cmp"
	"context"
	"strings"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/progress"
	"tlpipe/pipeline/store"
	"tlpipe/savedmodels"
)

// spec is the frozen part of the network with the changes of the copies.
func (s *Featurize) spec(n Network) savedmodels.Prefix {
	spec := n.Prefix()
	if s.Copies > 1 {
		spec.Augment = s.Augment.spec()
	}
	return spec
}

// exported is that spec with its weights named, laid out for the precision that featurize computes in here.
func (s *Featurize) exported(ctx context.Context, n Network, env Resources) (savedmodels.Prefix, error) {
	spec, err := n.weighted(ctx, env.Digests, s.spec(n))
	if err != nil {
		return spec, err
	}
	return spec, layOut(&spec, "featurize", s.Precision, env.Machine)
}

// exported is the spec of the part that trains with its weights named, laid out for the precision that fine-tune computes in here.
func (s *FineTune) exported(ctx context.Context, n Network, classes int, env Resources) (spec savedmodels.Suffix, err error) {
	spec = s.Spec(n, classes)
	if spec.Prefix, err = n.weighted(ctx, env.Digests, spec.Prefix); err != nil {
		return spec, err
	}
	return spec, layOut(&spec.Prefix, "fine-tune", s.Precision, env.Machine)
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

// Spec is the part of the network that trains, for so many classes.
func (s *FineTune) Spec(n Network, classes int) savedmodels.Suffix {
	spec := savedmodels.Suffix{
		Prefix: n.Prefix(), Classes: classes, Normalization: n.Head.Normalization,
		Units: append([]int{}, n.Head.Units...), Dropout: n.Head.Dropout, LabelSmoothing: s.LabelSmoothing,
		Optimizer: savedmodels.Optimizer{
			Name: s.Optimizer.Name, Convention: s.Optimizer.Convention, Momentum: s.Optimizer.Momentum,
			Nesterov: s.Optimizer.Nesterov, WeightDecay: s.Optimizer.WeightDecay,
			ClipNorm: s.Optimizer.ClipNorm, GlobalClipNorm: s.Optimizer.GlobalClipNorm, ClipValue: s.Optimizer.ClipValue,
		},
		LearningRates: s.learningRates(n.Model), ClassWeights: !s.ClassWeight.none(), HeadFirst: s.HeadFirstEpochs > 0,
	}
	spec.Prefix.Augment = s.Augment.spec() // and not that of the features
	return spec
}

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
func loadModel(threads int, env Resources, dir string, opts savedmodels.Options, report *progress.Reporter) (savedmodels.Model, error) {
	if env.Runtime == nil {
		return nil, exit.Errorf(exit.NoRuntime, "this process links no model runtime: run `make build`")
	}
	defer report.Span("load", "load model")()
	opts.Device, opts.Threads = env.Machine.Device, cmp.Or(opts.Threads, threads)
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
