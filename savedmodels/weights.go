package savedmodels

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tlpipe/pipeline/exit"
)

// loadWeights is for users too: it builds a trained model in Keras and fills it with the weights.
//
//go:embed inkeras/load_weights.py
var loadWeights []byte

// watched runs load_weights.py and ends with this process.
//
//go:embed inkeras/watched.py
var watched []byte

// weightsFormats are how names of weights files end: two for weights alone, and .keras for a whole model of Keras.
var weightsFormats = []string{".weights.h5", ".safetensors", ".keras"}

// ExportWeights has Keras write the weights of the trained model in modelDir into files, whose names say the format:
// .weights.h5 and .safetensors hold the network's variables by their Keras names and nothing of the optimizer, .keras
// holds the network too. The files appear whole, once all of them are written.
func (e *Exporter) ExportWeights(ctx context.Context, modelDir string, files ...string) error {
	work, args := "", make([]string, 0, len(files))
	for _, file := range files {
		if !slices.ContainsFunc(weightsFormats, func(end string) bool { return strings.HasSuffix(file, end) }) {
			return exit.Errorf(exit.Usage, "%s: expected a name that ends in %s", file, strings.Join(weightsFormats, ", "))
		}
		folder, remove, err := workFolder(filepath.Dir(file)) // beside the target, so that it can be renamed
		if err != nil {
			return fmt.Errorf("weights of %s: %w", modelDir, err)
		}
		defer remove()
		work, args = folder, append(args, filepath.Join(folder, filepath.Base(file)))
	}
	if err := CheckFiles(modelDir, true); err != nil { // variables alone are read, no graph
		return err
	}
	python, err := e.findPython(ctx)
	if err != nil {
		return err
	}
	script := filepath.Join(work, "watched.py")
	if err := errors.Join(os.WriteFile(script, watched, 0o600), os.WriteFile(filepath.Join(work, "load_weights.py"), loadWeights, 0o600)); err != nil {
		return err
	}
	if err := e.run(ctx, python, work, append([]string{script, modelDir}, args...)...); err != nil {
		return fmt.Errorf("weights of %s: %w", modelDir, err)
	}
	for i, file := range files {
		if err := place(args[i], file); err != nil {
			return err
		}
	}
	return nil
}

const workPrefix = ".tlpipe-weights-"

// workFolder makes a folder in dir, locked as long as this process lives. It removes what exports have left that were
// killed: folders that nobody has locked, but for those made just now.
func workFolder(dir string) (folder string, remove func(), err error) {
	entries, _ := os.ReadDir(dir) // a folder that can't be listed may be written to all the same
	for _, entry := range entries {
		left := filepath.Join(dir, entry.Name())
		info, err := entry.Info()
		if err != nil || !entry.IsDir() || !strings.HasPrefix(entry.Name(), workPrefix) || time.Since(info.ModTime()) < time.Second {
			continue
		}
		if lock, err := lockFolder(left); err == nil {
			_ = errors.Join(os.RemoveAll(left), lock.Close())
		}
	}
	if folder, err = os.MkdirTemp(dir, workPrefix); err != nil {
		return "", nil, err
	}
	lock, _ := lockFolder(folder) // where there are no locks, nothing left is removed
	return folder, func() { _ = errors.Join(os.RemoveAll(folder), lock.Close()) }, nil
}

func lockFolder(folder string) (*os.File, error) {
	f, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// place moves a file to its name once its bytes are on the disk.
func place(temp, file string) error {
	f, err := os.Open(temp)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(temp, file)
}
