package savedmodels

import (
	"bytes"
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
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tlpipe/pipeline/environment"
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
}

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
	Cache       string                       `json:"cache"`
	WeightsFile string                       `json:"weights_file"`
	Versions    map[string]string            `json:"versions"` // of the packages that the export's key stands for
	Digests     map[string]map[string]string `json:"digests"`
}

func (e *Exporter) export(ctx context.Context, kind string, spec any, weightsFile, outDir string) (Card, error) {
	python, err := e.python(ctx)
	if err != nil {
		return Card{}, err
	}
	req := request{Kind: kind, Spec: spec, Versions: pinned(requirements), Digests: map[string]map[string]string{}}
	for _, backbone := range Backbones() {
		if text, err := imagenetDigests.ReadFile(backbone + "-imagenet-notop.sha256"); err == nil {
			req.Digests[backbone] = digests(string(text))
		}
	}
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
	text, err := json.Marshal(req)
	if err != nil {
		return Card{}, err
	}
	script, reqFile := filepath.Join(work, "export.py"), filepath.Join(work, "request.json")
	if err := errors.Join(os.CopyFS(work, scripts), os.WriteFile(reqFile, text, 0o600)); err != nil {
		return Card{}, err
	}
	if err := e.run(ctx, python, req.Cache, script, reqFile, "--watch-stdin"); err != nil {
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

// run starts a script and turns its answer into an error. Temporary files go where the script is, and go with it.
func (e *Exporter) run(ctx context.Context, python, cache string, script ...string) error {
	cmd := exec.CommandContext(ctx, python, append([]string{"-s", "-B"}, script...)...)
	cmd.Env = environment.Python("KERAS_BACKEND=tensorflow", "KERAS_HOME="+filepath.Join(cache, "keras"), "TMPDIR="+filepath.Dir(script[0]), "PYTHONHASHSEED=0", "PYTHONUTF8=1",
		"CUDA_VISIBLE_DEVICES=", "TF_CPP_MIN_LOG_LEVEL=2")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that its own children end with it
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	stdin, err := cmd.StdinPipe() // stays open: its end tells the script that this process is gone
	if err != nil {
		return err
	}
	defer stdin.Close()
	var stdout bytes.Buffer
	stderr := &tail{to: e.Log}
	cmd.Stdout, cmd.Stderr = &stdout, stderr
	failed := cmd.Run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if failed == nil {
		return nil
	}
	var answer struct{ Error, Hint string }
	if json.Unmarshal(stdout.Bytes(), &answer) == nil && answer.Error != "" {
		if answer.Hint != "" {
			answer.Error += "; " + answer.Hint
		}
		return exit.FromText(errors.New(answer.Error), NoMemory()...)
	}
	var ended *exec.ExitError
	switch last := stderr.lines(3); {
	case !errors.As(failed, &ended):
		return exit.Errorf(exit.NoRuntime, "%s does not start: %w; run `make deps`", python, failed)
	case ended.ProcessState.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL:
		return exit.Errorf(exit.Resources, "Python was killed, most likely because memory ran out; an export takes about 2 GB")
	case strings.Contains(last, "ModuleNotFoundError"):
		return exit.Errorf(exit.NoRuntime, "%s lacks a package: %s; run `make deps`", python, last)
	default:
		return exit.FromText(fmt.Errorf("python failed (%v): %s", failed, last), NoMemory()...) // the exit code of Python is none of ours
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

// tail passes on what is written and remembers the end of it.
type tail struct {
	to   io.Writer
	last []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.last = append(t.last, p...)
	if over := len(t.last) - 4096; over > 0 {
		t.last = append(t.last[:0], t.last[over:]...)
	}
	if t.to == nil {
		return len(p), nil
	}
	return t.to.Write(p)
}

// lines are the last n lines that are not empty, in one.
func (t *tail) lines(n int) string {
	var lines []string
	for line := range strings.Lines(string(t.last)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-n):], " | ")
}
