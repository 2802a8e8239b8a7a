package finetune

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

// ExportStage has Keras export the part that trains. Of the data it depends on the number of classes alone.
func ExportStage(n network.Network, s *Settings, env machine.Resources) pipeline.Stage {
	spec := func(ctx context.Context, in pipeline.Inputs) (savedmodels.Suffix, error) {
		dataset, err := formats.OpenDataset(in[formats.DatasetType].Dir)
		if err != nil {
			return savedmodels.Suffix{}, err
		}
		return s.exported(ctx, n, len(dataset.Classes), env)
	}
	return pipeline.Stage{
		Name: "export-suffix", Version: 1, Takes: []string{formats.DatasetType}, Gives: formats.SuffixType, Auxiliary: true, Identity: network.ModelDigest, Fits: n.HasWeights(env.Digests),
		Ahead: func(ctx context.Context) { env.Exporter.Warm(ctx) }, Memory: savedmodels.ExportMemory,
		Key: func(ctx context.Context, in pipeline.Inputs) ([]store.Line, error) {
			suffix, err := spec(ctx, in)
			if err != nil {
				return nil, err
			}
			return network.ExportKey(suffix)
		},
		Run: func(ctx context.Context, job *pipeline.Job) error {
			suffix, err := spec(ctx, job.Inputs)
			if err != nil {
				return err
			}
			defer env.Exporter.Close() // nothing is exported after it
			return n.WithWeights(ctx, env.Digests, job, func(file string) error {
				_, err := env.Exporter.ExportSuffix(ctx, suffix, file, job.Out)
				failpoint.Here("after-export")
				return err
			})
		},
	}
}
