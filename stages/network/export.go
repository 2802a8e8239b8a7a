package network

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"tlpipe/pipeline"
	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
	"tlpipe/savedmodels"
	"tlpipe/stages/sources"
	"tlpipe/stages/standin"
)

// ExportKey is the key of an export: what is exported, and by which scripts, packages and weights.
func ExportKey(spec any) ([]store.Line, error) {
	text, err := json.Marshal(spec)
	return []store.Line{{Name: "exporter", Value: savedmodels.ExporterVersion()}, {Name: "model", Value: string(text)}}, err
}

// ModelDigest names a model by its tensors and settings: the bytes of saved_model.pb are not compared.
func ModelDigest(dir string) (string, error) {
	card, err := savedmodels.ReadCard(dir)
	return card.Digest, err
}

// weightsFile is the path of the weights, if the config gives one.
func (m Settings) weightsFile() string {
	if m.Weights == "imagenet" || m.Weights == "random" {
		return ""
	}
	return m.Weights
}

// WithWeights exports with a copy of the weights file, if the config gives one: Keras opens it more than once, and long
// after it was named by its digest. The copy is made while that digest is verified.
func (m Settings) WithWeights(ctx context.Context, digests *sources.Digests, job *pipeline.Job, export func(file string) error) error {
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

// HasWeights refuses a config whose weights file cannot be read, before anything is done.
func (n Network) HasWeights(digests *sources.Digests) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := n.Weighted(ctx, digests, n.Prefix())
		return err
	}
}

// Weighted is the spec with its weights named for an export: a file by its content, never by its path.
func (m Settings) Weighted(ctx context.Context, digests *sources.Digests, spec savedmodels.Prefix) (savedmodels.Prefix, error) {
	path := m.weightsFile()
	if path == "" {
		return spec, nil
	}
	digest, err := digests.SHA256(ctx, path)
	if err != nil {
		return spec, fmt.Errorf("model.weights: %w", err)
	}
	if err := holdsWeights(path); err != nil {
		return spec, err
	}
	spec.Weights = "sha256:" + digest
	return spec, nil
}

// holdsWeights refuses a file that is known to hold none, before Keras says of it that its signature is not found.
func holdsWeights(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("model.weights: %w", err)
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, standin.Head))
	if err != nil {
		return fmt.Errorf("model.weights: %w", err)
	}
	other := standin.Of(head, "weights")
	if len(head) == 0 {
		other = "empty"
	}
	if other != "" {
		return exit.Errorf(exit.Usage, "model.weights: %s is %s", path, other)
	}
	return nil
}
