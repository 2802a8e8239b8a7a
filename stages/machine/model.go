package machine

import (
	"cmp"
	"context"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/progress"
	"tlpipe/savedmodels"
	"tlpipe/stages/imagefile"
)

// JPEGDecoder returns TensorFlow's JPEG decoder, with the inverse DCT that Keras or Pillow uses, depending on opts.Resize.
func JPEGDecoder(runtime savedmodels.Runtime, opts imagefile.Options) (savedmodels.JPEGDecoder, error) {
	if runtime == nil {
		return nil, exit.Errorf(exit.NoRuntime, "this process links no model runtime: run `make build`")
	}
	return runtime.JPEG(opts.Size > 0 && opts.Resize == imagefile.Bilinear)
}

// Load loads a SavedModel for a stage, with the device and threads of env and threads set in opts. Loading and each call are
// reported as spans of the stage's profile.
func Load(threads int, env Resources, dir string, opts savedmodels.Options, report *progress.Reporter) (savedmodels.Model, error) {
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
