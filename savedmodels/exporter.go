package savedmodels

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"tlpipe/pipeline/exit"
)

// scripts are export.py, which is started, the modules it imports and the file of architectures that they read.
//
//go:embed *.py architectures.json
var scripts embed.FS

//go:embed requirements.txt
var requirements string

// imagenetDigests are files BACKBONE-imagenet-notop.sha256, of those backbones whose weights are verified.
//
//go:embed *-imagenet-notop.sha256
var imagenetDigests embed.FS

// ExporterVersion is a digest of everything in this program that an export depends on: the scripts, the versions of the Python
// packages, and the digests of the weights. Computing it needs no Python. It is part of an export's key, so that every change of a
// script exports again. It is not part of Card.Digest, the model's identity, so that results are reused if the new export is the
// same model.
func ExporterVersion() string {
	h := sha256.New()
	for _, files := range []embed.FS{scripts, imagenetDigests} {
		entries, _ := files.ReadDir(".") // sorted by name; reading what is embedded can't fail
		for _, entry := range entries {
			text, _ := files.ReadFile(entry.Name())
			fmt.Fprintf(h, "%s %d\n%s", entry.Name(), len(text), text)
		}
	}
	fmt.Fprintf(h, "%d\n%s", len(requirements), requirements)
	return hex.EncodeToString(h.Sum(nil))
}

// Exporter exports SavedModels with Keras.
type Exporter struct {
	Python   string    // path of the interpreter; empty: FindPython finds it when it is needed
	CacheDir string    // folder of downloaded weights
	Shared   string    // read-only folder that may hold downloaded weights already; empty: none
	Log      io.Writer // receives the output of Python and TensorFlow
	Work     string    // folder for temporary files of Warm; empty: Warm does nothing

	mu     sync.Mutex // one export at a time: each takes about 2 GB
	python *exports   // nil: not started
	used   time.Time  // the last time that it was asked for something
}

// ExportMemory is the approximate peak memory of an export in bytes.
func ExportMemory() int64 { return 2 << 30 }

// NewExporter returns an Exporter that finds Python itself.
func NewExporter(cacheDir, shared string, log io.Writer) *Exporter {
	return &Exporter{CacheDir: cacheDir, Shared: shared, Log: log}
}

// ExportPrefix writes the SavedModel of the frozen part to outDir. weightsFile is the path of the file whose digest p.Weights is; it
// is empty for imagenet and random.
func (e *Exporter) ExportPrefix(ctx context.Context, p Prefix, weightsFile, outDir string) (Card, error) {
	if err := p.check("prefix"); err != nil {
		return Card{}, exit.Errorf(exit.Usage, "export: %w", err)
	}
	p.Freeze = p.Cut()
	return e.export(ctx, "prefix", p, weightsFile, outDir)
}

// ExportSuffix writes the SavedModel of the trained part to outDir.
func (e *Exporter) ExportSuffix(ctx context.Context, s Suffix, weightsFile, outDir string) (Card, error) {
	if err := s.check("suffix"); err != nil {
		return Card{}, exit.Errorf(exit.Usage, "export: %w", err)
	}
	s.Freeze = s.Cut()
	if s.Units == nil {
		s.Units = []int{}
	}
	if s.LearningRates == nil {
		s.LearningRates = map[string]float64{}
	}
	return e.export(ctx, "suffix", s, weightsFile, outDir)
}

// check returns an error if p describes no possible network, or kind (prefix or suffix) can't be exported as it says.
func (p Prefix) check(kind string) error {
	if _, err := p.FeatureSize(); err != nil {
		return err
	}
	return p.Augment.check(kind, p)
}

type request struct {
	Kind        string                       `json:"kind"`
	Spec        any                          `json:"spec"`
	Out         string                       `json:"out"`
	Work        string                       `json:"work"`
	Cache       string                       `json:"cache"`
	WeightsFile string                       `json:"weights_file"`
	Versions    map[string]string            `json:"versions"` // of the packages that the export's key stands for
	Digests     map[string]map[string]string `json:"digests"`
}

func (e *Exporter) export(ctx context.Context, kind string, spec any, weightsFile, outDir string) (Card, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.Work == "" {
		defer e.stop() // nobody will
	}
	req := request{Kind: kind, Spec: spec, Versions: pinned(requirements), Digests: map[string]map[string]string{}}
	for _, backbone := range Backbones() {
		if text, err := imagenetDigests.ReadFile(backbone + "-imagenet-notop.sha256"); err == nil {
			req.Digests[backbone] = digests(string(text))
		}
	}
	var err error
	if req.Out, err = filepath.Abs(outDir); err != nil {
		return Card{}, err
	}
	if req.Cache, err = filepath.Abs(e.CacheDir); err != nil {
		return Card{}, err
	}
	e.linkShared(req.Cache)
	if weightsFile != "" {
		if req.WeightsFile, err = filepath.Abs(weightsFile); err != nil {
			return Card{}, err
		}
	}
	if err := empty(outDir); err != nil {
		return Card{}, err
	}
	work := filepath.Join(outDir, ".work") // so that what a killed export leaves goes with the next one
	if err := os.Mkdir(work, 0o700); err != nil {
		return Card{}, err
	}
	defer os.RemoveAll(work)
	if req.Work, err = filepath.Abs(work); err != nil {
		return Card{}, err
	}
	text, err := json.Marshal(req)
	if err != nil {
		return Card{}, err
	}
	reqFile := filepath.Join(req.Work, "request.json")
	if err := os.WriteFile(reqFile, text, 0o600); err != nil {
		return Card{}, err
	}
	if err := e.ask(ctx, reqFile, req.Work); err != nil {
		return Card{}, fmt.Errorf("export of the %s: %w", kind, err)
	}
	return ReadCard(outDir)
}

// linkShared creates links in the cache to weights in the shared folder that the cache lacks. Weights that can't be linked are
// downloaded; the script verifies both.
func (e *Exporter) linkShared(cache string) {
	shared, err := filepath.Abs(e.Shared)
	if err != nil || e.Shared == "" || shared == cache {
		return
	}
	files, _ := filepath.Glob(filepath.Join(shared, "*-imagenet-*.npz"))
	for _, file := range files {
		link := filepath.Join(cache, filepath.Base(file))
		if _, err := os.Stat(link); !errors.Is(err, fs.ErrNotExist) || unix.Access(file, unix.R_OK) != nil {
			continue
		}
		_ = os.Remove(link) // to where a folder was
		_ = errors.Join(os.MkdirAll(cache, 0o777), os.Symlink(file, link))
	}
}

// empty removes the content of dir, which an export that was killed may have left.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return os.MkdirAll(dir, 0o755)
	}
	for _, entry := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, entry.Name())))
	}
	return err
}

// pinned reads the versions of Keras and TensorFlow in a list of requirements.
func pinned(list string) map[string]string {
	versions := map[string]string{}
	for line := range strings.Lines(list) {
		name, version, found := strings.Cut(strings.TrimSuffix(strings.TrimSpace(line), " \\"), "==")
		if name = strings.TrimSuffix(name, "-cpu"); found && (name == "keras" || name == "tensorflow") {
			versions[name] = version
		}
	}
	return versions
}

// digests reads lines of "SHA256 NAME SHAPE".
func digests(text string) map[string]string {
	byName := map[string]string{}
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) == 3 && !strings.HasPrefix(line, "#") {
			byName[fields[1]] = fields[0]
		}
	}
	return byName
}
