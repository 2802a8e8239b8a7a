package stages

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"tlpipe/pipeline"
	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/failpoint"
	"tlpipe/pipeline/store"
	"tlpipe/savedmodels"
	"tlpipe/stages/formats"
	"tlpipe/stages/sources"
)

// exportPrefixStage has Keras export the frozen part. It depends on the model's settings and the recipe alone, so
// every config that shares them shares one export.
func exportPrefixStage(n Network, s *Featurize, env Resources) pipeline.Stage {
	return pipeline.Stage{
		Name: "export-prefix", Version: 1, Gives: formats.PrefixType, Auxiliary: true, Identity: modelDigest, Fits: n.hasWeights(env.Digests),
		Key: func(ctx context.Context, _ pipeline.Inputs) ([]store.Line, error) {
			spec, err := s.exported(ctx, n, env)
			if err != nil {
				return nil, err
			}
			return exportKey(spec)
		},
		Run: func(ctx context.Context, job *pipeline.Job) error {
			spec, err := s.exported(ctx, n, env)
			if err != nil {
				return err
			}
			return n.withWeights(ctx, env.Digests, job, func(file string) error {
				_, err := env.Exporter.ExportPrefix(ctx, spec, file, job.Out)
				failpoint.Here("after-export")
				return err
			})
		},
	}
}

// exportSuffixStage has Keras export the part that trains. Of the data it depends on the number of classes alone.
func exportSuffixStage(n Network, s *FineTune, env Resources) pipeline.Stage {
	spec := func(ctx context.Context, in pipeline.Inputs) (savedmodels.Suffix, error) {
		dataset, err := formats.OpenDataset(in[formats.DatasetType].Dir)
		if err != nil {
			return savedmodels.Suffix{}, err
		}
		return s.exported(ctx, n, len(dataset.Classes), env)
	}
	return pipeline.Stage{
		Name: "export-suffix", Version: 1, Takes: []string{formats.DatasetType}, Gives: formats.SuffixType, Auxiliary: true, Identity: modelDigest, Fits: n.hasWeights(env.Digests),
		Key: func(ctx context.Context, in pipeline.Inputs) ([]store.Line, error) {
			suffix, err := spec(ctx, in)
			if err != nil {
				return nil, err
			}
			return exportKey(suffix)
		},
		Run: func(ctx context.Context, job *pipeline.Job) error {
			suffix, err := spec(ctx, job.Inputs)
			if err != nil {
				return err
			}
			return n.withWeights(ctx, env.Digests, job, func(file string) error {
				_, err := env.Exporter.ExportSuffix(ctx, suffix, file, job.Out)
				failpoint.Here("after-export")
				return err
			})
		},
	}
}

func exportKey(spec any) ([]store.Line, error) {
	text, err := json.Marshal(spec)
	return []store.Line{{Name: "exporter", Value: savedmodels.ExporterVersion()}, {Name: "model", Value: string(text)}}, err
}

// modelDigest names a model by its tensors and settings: the bytes of saved_model.pb are not compared.
func modelDigest(dir string) (string, error) {
	card, err := savedmodels.ReadCard(dir)
	return card.Digest, err
}

// weightsFile is the path of the weights, if the config gives one.
func (m Model) weightsFile() string {
	if m.Weights == "imagenet" || m.Weights == "random" {
		return ""
	}
	return m.Weights
}

// withWeights exports with a copy of the weights file, if the config gives one: Keras opens it more than once, and long
// after it was named by its digest. The copy is made while that digest is verified.
func (m Model) withWeights(ctx context.Context, digests *sources.Digests, job *pipeline.Job, export func(file string) error) error {
	path := m.weightsFile()
	if path == "" {
		return export("")
	}
	dir := filepath.Join(job.Scratch, "weights")
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o755)); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, filepath.Base(path)) // its ending says the format
	if err := digests.Copy(ctx, path, file); err != nil {
		return fmt.Errorf("model.weights: %w", err)
	}
	err := export(file)
	if err != nil && strings.Contains(err.Error(), file) {
		return exit.Errorf(exit.Code(err), "%s", strings.ReplaceAll(err.Error(), file, path))
	}
	return err
}

// hasWeights refuses a config whose weights file cannot be read, before anything is done.
func (n Network) hasWeights(digests *sources.Digests) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := n.weighted(ctx, digests, n.Prefix())
		return err
	}
}

// weighted is the spec with its weights named for an export: a file by its content, never by its path.
func (m Model) weighted(ctx context.Context, digests *sources.Digests, spec savedmodels.Prefix) (savedmodels.Prefix, error) {
	path := m.weightsFile()
	if path == "" {
		return spec, nil
	}
	digest, err := digests.SHA256(ctx, path)
	if err != nil {
		return spec, fmt.Errorf("model.weights: %w", err)
	}
	spec.Weights = "sha256:" + digest
	return spec, nil
}
