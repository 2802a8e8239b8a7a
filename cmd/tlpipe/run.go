package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/renameio/v2"
	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"tlpipe/pipeline"
	"tlpipe/pipeline/config"
	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/progress"
	"tlpipe/pipeline/sanitize"
	"tlpipe/pipeline/store"
	"tlpipe/pipeline/worker"
	"tlpipe/report/comparison"
	"tlpipe/report/tensorboard"
	"tlpipe/savedmodels"
	"tlpipe/stages/machine"
	"tlpipe/stages/sources"
)

// plainEvery is how often a count is printed where there is no terminal.
const plainEvery = 10 * time.Second

func runCommand() *cli.Command {
	return &cli.Command{
		Name: "run", Usage: "run what is not in the store yet", ArgsUsage: "CONFIG",
		Flags: append(configFlags(), storeFlag(), waitFlag(), deviceFlag(),
			&cli.StringFlag{Name: "from", Usage: "begin at `STAGE`; those before it must be stored"},
			&cli.StringFlag{Name: "until", Usage: "stop after `STAGE`"},
			&cli.StringFlag{Name: "force", Usage: "run `STAGE` even if its result is stored"},
			&cli.StringFlag{Name: "profile", TakesFile: true, Usage: "write a timeline of the run to `FILE`, for chrome://tracing or Perfetto, and print what bounds it"},
			&cli.StringFlag{Name: "summary-json", TakesFile: true, Usage: "write a summary for scripts to `FILE`"},
			continueFlag(), jsonFlag("print events as lines of JSON")),
		OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			all := func(list []pipeline.Stage) []pipeline.Stage { return list }
			return runSelected(c, all, pipeline.Options{From: c.String("from"), Until: c.String("until"), Force: c.String("force")})
		},
	}
}

// runSelected executes those stages of a config's pipeline that are wanted: it shares the store, keeps a record of the
// run and prints how it ends.
func runSelected(c *cli.Context, wanted func(list []pipeline.Stage) []pipeline.Stage, opts pipeline.Options) (err error) {
	outputs, err := openRunOutputs(c)
	if err != nil {
		return err
	}
	var cfg loaded
	defer func() { err = outputs.refused(c.Context, cfg.Name, err) }()
	cfg, err = loadConfig(c)
	if err != nil {
		return err
	}
	s, err := store.Open(c.String("store"))
	if err != nil {
		return err
	}
	lock, err := shareStore(c, s, cfg.files...)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	record, err := newRun(s, cfg.Name)
	if err != nil {
		return err
	}
	defer record.close()
	e, err := bind(c, cfg, s, record.log)
	if err != nil {
		return err
	}
	e.env.Exporter.Work = record.dir
	defer e.env.Exporter.Close()
	if err := e.continueLast(c); err != nil {
		return err
	}
	e.pipeline.Stages = wanted(e.pipeline.Stages)
	payload, err := e.payload()
	if err != nil {
		return err
	}
	timeline, board := progress.NewTimeline(), tensorboard.New(s.TensorBoardDir(record.id))
	opts.Profile, opts.Command = c.IsSet("profile"), ownCommand(c, cfg.files...)
	opts.Sink = progress.Tee(progress.Lines(record.events), screen(c), timeline, board)
	opts.Memory = machine.FreeMemory
	opts.Launch = func(ctx context.Context, stage *pipeline.Stage, job *pipeline.Job) error {
		if e.linked.TensorFlow == "" {
			_, err := findLinked(s) // says why
			return err
		}
		path, err := workerPath()
		if err != nil {
			return err
		}
		client := worker.Client{Path: path, NoMemory: savedmodels.NoMemory(), Log: record.log, Held: append(lock.Files(), job.Claim), Want: worker.Identity{Build: worker.Build(), Library: e.linked.Identity.Library}}
		req := worker.Of(stage, job, s)
		req.Profile, req.Payload = opts.Profile, payload
		job.PeakBytes, err = client.Run(ctx, req, opts.Sink)
		return err
	}
	rendered, err := config.Render(cfg.Public())
	if err != nil {
		return err
	}
	if opts.Run, err = ownRun(opts.Run, record.id, cfg, rendered); err != nil {
		return err
	}
	origins, err := cfg.origins(rendered)
	if err != nil {
		return err
	}
	began := time.Now()
	record.write(runRecord{Command: publicArgs(), Files: cfg.files, Config: string(rendered), Origins: origins, Machine: e.env.Machine, Began: began.UTC(), Status: "running"})
	opts.Sink.Handle(progress.Event{Type: progress.RunStart, Time: began, Text: record.id})
	results, runErr := e.pipeline.Run(c.Context, opts)
	sum := summarize(e, record.id, results, time.Since(began), runErr)
	record.write(runRecord{Command: publicArgs(), Files: cfg.files, Config: string(rendered), Origins: origins, Machine: e.env.Machine, Began: began.UTC(), Status: status(runErr), Error: text(runErr), Summary: &sum})
	runErr = errors.Join(runErr, outputs.writeSummary(c.Context, sum))
	if c.Bool("json") { // elsewhere they are in the last lines
		for _, text := range sum.Warnings {
			opts.Sink.Handle(progress.Event{Type: progress.Warning, Time: time.Now(), Text: text})
		}
	}
	opts.Sink.Handle(progress.Event{Type: progress.RunEnd, Time: time.Now(), Status: status(runErr), Seconds: sum.Seconds, Text: text(runErr)})
	page := ""
	if sum.made("evaluate") {
		page = endPage(s, record.id, c.App.ErrWriter)
	}
	finishTensorBoard(s, record.id, board, c.App.ErrWriter)
	if !c.Bool("json") {
		sum.print(c.App.Writer, e, page)
	}
	runErr = errors.Join(runErr, outputs.writeProfile(c, timeline))
	if runErr != nil && exit.Code(runErr) == exit.Interrupted {
		return exit.Errorf(exit.Interrupted, "interrupted; the same command continues from here")
	}
	return runErr
}

// ownRun says whose a run is: that of the config's files with these settings.
func ownRun(run store.Run, id string, cfg loaded, rendered []byte) (store.Run, error) {
	run.ID, run.Name, run.Settings = id, cfg.Name, fmt.Sprintf("%x", sha256.Sum256(rendered))
	for _, file := range cfg.files {
		path, err := filepath.Abs(file)
		if err != nil {
			return run, err
		}
		run.Files = append(run.Files, path)
	}
	return run, nil
}

// origins says where each setting that was given stands.
func (l loaded) origins(rendered []byte) (map[string]string, error) {
	settings, err := comparison.ParseSettings(rendered)
	if err != nil {
		return nil, err
	}
	origins := map[string]string{}
	for _, s := range settings {
		if l.source.Given(s.Path) {
			origins[s.Path] = l.source.At(s.Path).String()
		}
	}
	return origins, nil
}

// screen shows events where the user looks: a bar on a terminal, plain lines elsewhere, JSON on request.
func screen(c *cli.Context) progress.Sink {
	if c.Bool("json") {
		return progress.Lines(c.App.Writer)
	}
	if w, ok := c.App.ErrWriter.(*sanitize.Writer); ok {
		if f, ok := w.Unwrap().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			return progress.Terminal(f)
		}
	}
	return progress.Plain(c.App.ErrWriter, plainEvery)
}

func status(err error) string {
	switch exit.Code(err) {
	case exit.Done:
		return "done"
	case exit.Interrupted:
		return "interrupted"
	default:
		return "failed"
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// runRecord is run.json: what differs from run to run and so is in no artifact.
type runRecord struct {
	Command []string          `json:"command"`
	Files   []string          `json:"files"`
	Config  string            `json:"config"`  // merged and with all defaults, as YAML
	Origins map[string]string `json:"origins"` // where settings were given, as file:line:col; one that is not here has its default
	Machine any               `json:"machine"`
	Began   time.Time         `json:"began"`
	Host    string            `json:"host"`
	PID     int               `json:"pid"`
	Status  string            `json:"status"` // running (or killed), done, failed or interrupted
	Error   string            `json:"error,omitempty"`
	Summary *summary          `json:"summary,omitempty"`
}

// publicArgs is the command line without the secrets of addresses in it.
func publicArgs() []string {
	args := slices.Clone(os.Args)
	for i := range args {
		args[i] = sources.Scrub(args[i])
	}
	return args
}

// runDir is the directory of one run in the store.
type runDir struct {
	id, dir string
	log     *os.File
	events  *os.File
}

func newRun(s *store.Store, name string) (*runDir, error) {
	id, dir, err := s.NewRun(name)
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(dir, "log.txt"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	events, err := os.OpenFile(filepath.Join(dir, "events.jsonl"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	return &runDir{id, dir, log, events}, err
}

// write replaces run.json. A run record that cannot be written (a full disk, say) never fails a run.
func (r *runDir) write(record runRecord) {
	record.Host, _ = os.Hostname()
	record.PID = os.Getpid()
	text, err := json.MarshalIndent(record, "", "  ")
	if err == nil {
		err = renameio.WriteFile(filepath.Join(r.dir, "run.json"), append(text, '\n'), 0o644)
	}
	if err != nil {
		fmt.Fprintf(io.MultiWriter(r.log, os.Stderr), "the record of this run could not be written: %v\n", err)
	}
}

func (r *runDir) close() {
	r.log.Close()
	r.events.Close()
}
