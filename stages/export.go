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
)

// exportPrefixStage has Keras export the frozen part. It depends on the model's settings and the recipe alone, so
// every config that shares them shares one export.
func exportPrefixStage(c *Config, env Env) pipeline.Stage {
	return pipeline.Stage{
		Name: "export-prefix", Version: 1, Gives: formats.PrefixType, Auxiliary: true, Identity: modelDigest, Fits: hasWeights(c, env),
		Key: func(ctx context.Context, _ pipeline.Inputs) ([]store.Line, error) {
			spec, err := exportedPrefix(ctx, c, env)
			if err != nil {
				return nil, err
			}
			return exportKey(spec)
		},
		Run: func(ctx context.Context, job *pipeline.Job) error {
			spec, err := exportedPrefix(ctx, c, env)
			if err != nil {
				return err
			}
			return withWeights(ctx, c, env, job, func(file string) error {
				_, err := env.Exporter.ExportPrefix(ctx, spec, file, job.Out)
				failpoint.Here("after-export")
				return err
			})
		},
	}
}

// exportSuffixStage has Keras export the part that trains. Of the data it depends on the number of classes alone.
func exportSuffixStage(c *Config, env Env) pipeline.Stage {
	spec := func(ctx context.Context, in pipeline.Inputs) (savedmodels.Suffix, error) {
		dataset, err := formats.OpenDataset(in[formats.DatasetType].Dir)
		if err != nil {
			return savedmodels.Suffix{}, err
		}
		return exportedSuffix(ctx, c, len(dataset.Classes), env)
	}
	return pipeline.Stage{
		Name: "export-suffix", Version: 1, Takes: []string{formats.DatasetType}, Gives: formats.SuffixType, Auxiliary: true, Identity: modelDigest, Fits: hasWeights(c, env),
		Key: func(ctx context.Context, in pipeline.Inputs) ([]store.Line, error) {
			s, err := spec(ctx, in)
			if err != nil {
				return nil, err
			}
			return exportKey(s)
		},
		Run: func(ctx context.Context, job *pipeline.Job) error {
			s, err := spec(ctx, job.Inputs)
			if err != nil {
				return err
			}
			return withWeights(ctx, c, env, job, func(file string) error {
				_, err := env.Exporter.ExportSuffix(ctx, s, file, job.Out)
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
func weightsFile(c *Config) string {
	if c.Model.Weights == "imagenet" || c.Model.Weights == "random" {
		return ""
	}
	return c.Model.Weights
}

// withWeights exports with a copy of the weights file, if the config gives one: Keras opens it more than once, and long
// after it was named by its digest. The copy is made while that digest is verified.
func withWeights(ctx context.Context, c *Config, env Env, job *pipeline.Job, export func(file string) error) error {
	path := weightsFile(c)
	if path == "" {
		return export("")
	}
	dir := filepath.Join(job.Scratch, "weights")
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o755)); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, filepath.Base(path)) // its ending says the format
	if err := env.Digests.Copy(ctx, path, file); err != nil {
		return fmt.Errorf("model.weights: %w", err)
	}
	err := export(file)
	if err != nil && strings.Contains(err.Error(), file) {
		return exit.Errorf(exit.Code(err), "%s", strings.ReplaceAll(err.Error(), file, path))
	}
	return err
}

// hasWeights refuses a config whose weights file cannot be read, before anything is done.
func hasWeights(c *Config, env Env) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := weighted(ctx, c, env, prefixSpec(c))
		return err
	}
}

// weighted is the spec with its weights named for an export: a file by its content, never by its path.
func weighted(ctx context.Context, c *Config, env Env, spec savedmodels.Prefix) (savedmodels.Prefix, error) {
	path := weightsFile(c)
	if path == "" {
		return spec, nil
	}
	digest, err := env.Digests.SHA256(ctx, path)
	if err != nil {
		return spec, fmt.Errorf("model.weights: %w", err)
	}
	spec.Weights = "sha256:" + digest
	return spec, nil
}
