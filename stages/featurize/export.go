package featurize

import (
	"context"

	"tlpipe/pipeline"
	"tlpipe/pipeline/failpoint"
	"tlpipe/pipeline/store"
	"tlpipe/savedmodels"
	"tlpipe/stages/formats"
	"tlpipe/stages/machine"
	"tlpipe/stages/network"
)

// ExportStage lets Keras export the frozen part of the network. Its key depends only on the model's settings and the
// preprocessing recipe, so that all configs with the same ones share one export.
func ExportStage(n network.Network, s *Settings, env machine.Resources) pipeline.Stage {
	return pipeline.Stage{
		Name: "export-prefix", Version: 1, Gives: formats.PrefixType, Auxiliary: true, Identity: network.ModelDigest, Fits: n.HasWeights(env.Digests),
		Ahead: func(ctx context.Context) { env.Exporter.Warm(ctx) }, Memory: savedmodels.ExportMemory,
		Key: func(ctx context.Context, _ pipeline.Inputs) ([]store.Line, error) {
			spec, err := s.exported(ctx, n, env)
			if err != nil {
				return nil, err
			}
			return network.ExportKey(spec)
		},
		Run: func(ctx context.Context, job *pipeline.Job) error {
			spec, err := s.exported(ctx, n, env)
			if err != nil {
				return err
			}
			return n.WithWeights(ctx, env.Digests, job, func(file string) error {
				_, err := env.Exporter.ExportPrefix(ctx, spec, file, job.Out)
				failpoint.Here("after-export")
				return err
			})
		},
	}
}
