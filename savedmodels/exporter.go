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

// ExporterVersion stands for everything in this program that an export depends on: the scripts, the packages they are
// made for and the digests of the weights. It needs no Python. It is in the key of an export, so that each change of a script
// exports again, but not in Card.Digest, which names the model: where a change made no other model, what was computed with it
// is kept.
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

// Exporter has Keras export SavedModels.
type Exporter struct {
	Python   string    // the interpreter; empty: FindPython looks for it when it is needed
	CacheDir string    // keeps downloaded weights
	Shared   string    // a folder that may hold them already and is only read; empty: none
	Log      io.Writer // what Python and TensorFlow print
	Work     string    // a folder that Warm may put files into for a while; empty: Warm does nothing

	mu     sync.Mutex // one export at a time: each takes about 2 GB
	python *exports   // nil: not started
	used   time.Time  // the last time that it was asked for something
}

// ExportMemory is about how many bytes an export takes at most.
func ExportMemory() int64 { return 2 << 30 }

// NewExporter makes an Exporter that finds its Python itself.
func NewExporter(cacheDir, shared string, log io.Writer) *Exporter {
	return &Exporter{CacheDir: cacheDir, Shared: shared, Log: log}
}

// ExportPrefix fills outDir with the SavedModel of the frozen part. weightsFile is the file that p.Weights is the digest
// of, empty for imagenet and random.
func (e *Exporter) ExportPrefix(ctx context.Context, p Prefix, weightsFile, outDir string) (Card, error) {
	if err := p.check("prefix"); err != nil {
		return Card{}, exit.Errorf(exit.Usage, "export: %w", err)
	}
	p.Freeze = p.Cut()
	return e.export(ctx, "prefix", p, weightsFile, outDir)
}

// ExportSuffix fills outDir with the SavedModel of the part that trains.
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

// check is an error where there is no such network, or this part of it can't be as the spec says.
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

// linkShared puts links to the weights that the shared folder has into the cache, where it lacks them. What can't be linked
// is downloaded; the script verifies either.
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

// empty removes what is in dir, so that nothing of an export that was killed stays.
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
