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

// ExportKey returns the key lines of an export: its spec, and the version of the Python scripts and packages.
func ExportKey(spec any) ([]store.Line, error) {
	text, err := json.Marshal(spec)
	return []store.Line{{Name: "exporter", Value: savedmodels.ExporterVersion()}, {Name: "model", Value: string(text)}}, err
}

// ModelDigest identifies an exported model by its tensors and settings, not by the bytes of saved_model.pb, which can differ.
func ModelDigest(dir string) (string, error) {
	card, err := savedmodels.ReadCard(dir)
	return card.Digest, err
}

// weightsFile returns the path of the weights file; "" if the config names none.
func (m Settings) weightsFile() string {
	if m.Weights == "imagenet" || m.Weights == "random" {
		return ""
	}
	return m.Weights
}

// WithWeights calls export with the path of a copy of the weights file; "" if the config names none. Keras opens the file several
// times, long after its digest entered the key, so the copy, verified by that digest, guards against changes in between.
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
	file := filepath.Join(dir, filepath.Base(path)) // Keras tells the format by the extension
	if err := digests.Copy(ctx, path, file); err != nil {
		return fmt.Errorf("model.weights: %w", err)
	}
	err := export(file)
	if err != nil && strings.Contains(err.Error(), file) {
		return exit.Errorf(exit.Code(err), "%s", strings.ReplaceAll(err.Error(), file, path))
	}
	return err
}

// HasWeights returns a check that the weights file of the config can be read, to be made before any stage runs.
func (n Network) HasWeights(digests *sources.Digests) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := n.Weighted(ctx, digests, n.Prefix())
		return err
	}
}

// Weighted returns spec with Weights set: a weights file is identified by its SHA-256, never by its path.
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

// holdsWeights returns an error for a file that evidently holds no weights. Keras would only say "file signature not found".
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
