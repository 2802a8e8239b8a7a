package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"tlpipe/pipeline"
	"tlpipe/pipeline/config"
	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
	"tlpipe/savedmodels"
	"tlpipe/stages"
	"tlpipe/stages/finetune"
	"tlpipe/stages/machine"
	"tlpipe/stages/sources"
)

// experiment is a config bound to a store and to this machine.
type experiment struct {
	config   stages.Config
	files    []string
	store    *store.Store
	linked   machine.Linked // what the keys name; zero where there is no runtime
	env      stages.Env
	pipeline *pipeline.Pipeline
	reading  *store.Lock // as long as the command runs; nil where it does more than read
}

// loaded is a config with where it comes from.
type loaded struct {
	stages.Config
	files  []string
	source *config.Source
}

// loadConfig reads the config the command line names and reports all its problems at once.
func loadConfig(c *cli.Context) (loaded, error) {
	files := append(c.Args().Slice(), c.StringSlice("file")...)
	if len(files) == 0 {
		return loaded{}, exit.Errorf(exit.Usage, "no config given; try `tlpipe %s configs/quickstart.yaml`", c.Command.Name)
	}
	return checkConfig(files, overrides(c))
}

// overrides are the settings that the command line gives. --drop is short for one of them.
func overrides(c *cli.Context) []string {
	sets := slices.Clone(c.StringSlice("set"))
	if list := c.String("drop"); list != "" {
		sets = append(sets, "normalize.drop="+strconv.Quote(list))
	}
	return sets
}

// checkConfig finds what is wrong in the YAML and, in the same pass, what does not fit together.
func checkConfig(files, sets []string) (loaded, error) {
	cfg, source, err := config.Load(files, sets, stages.Defaults)
	var problems config.Problems
	if err != nil && (!errors.As(err, &problems) || cfg.Model.Backbone == "") {
		return loaded{cfg, files, source}, err
	}
	if w := cfg.Model.Weights; w != "imagenet" && w != "random" && !filepath.IsAbs(w) {
		cfg.Model.Weights = filepath.Join(source.Dir("model.weights"), w)
	}
	wrong := slices.Clone(problems)
	cfg.Problems(func(path, format string, args ...any) {
		// What is wrong in itself, or in a part, is not asked to fit.
		if !slices.ContainsFunc(wrong, func(p config.Problem) bool { return p.Path == path || strings.HasPrefix(p.Path, path+".") }) {
			problems = append(problems, source.Problem(path, format, args...))
		}
	})
	if len(problems) > 0 {
		return loaded{cfg, files, source}, problems
	}
	return loaded{cfg, files, source}, nil
}

// readExperiment loads the config and binds it to its store to read; nothing is made, also where there is no store.
func readExperiment(c *cli.Context) (*experiment, error) {
	cfg, err := loadConfig(c)
	if err != nil {
		return nil, err
	}
	s, err := store.At(c.String("store"))
	if err != nil {
		return nil, err
	}
	e, err := bind(c, cfg, s, io.Discard)
	if err == nil {
		e.reading = s.Read()
	}
	return e, err
}

func bind(c *cli.Context, cfg loaded, s *store.Store, log io.Writer) (*experiment, error) {
	linked, _ := findLinked(s) // a missing runtime matters only to the stages that need it, and they say so
	host, err := linked.Machine(c.String("device"))
	if err != nil {
		return nil, err
	}
	env := stages.Env{Source: cfg.source, Resources: machine.Resources{
		Exporter: savedmodels.NewExporter(weightsCache(s.Dir()), ownCache(), log),
		Digests:  sources.NewDigests(digestsDir(s.Dir())),
		Machine:  host,
		Memory:   machine.FreeMemory,
	}}
	return &experiment{
		config: cfg.Config, files: cfg.files, store: s, linked: linked, env: env,
		pipeline: &pipeline.Pipeline{Name: cfg.Name, Stages: stages.Pipeline(&cfg.Config, env), Store: s},
	}, nil
}

// digestsDir keeps the digests of local files, in a store that is there: what only reads makes none.
func digestsDir(storeDir string) string {
	dir := filepath.Join(storeDir, "digests")
	if _, err := store.OpenExisting(storeDir); err == nil {
		_ = os.Mkdir(dir, 0o777) // where it can't be made, files are read each time
	}
	return dir
}

// weightsCache keeps downloaded weights for every store: in .deps beside the folder this program stands in, or where
// nothing can be written there, in the user's own cache, or in the store after all.
func weightsCache(storeDir string) string {
	if cache := ownCache(); cache != "" && (writable(cache) || writable(filepath.Dir(cache))) {
		return cache
	}
	if user, err := os.UserCacheDir(); err == nil {
		if cache := filepath.Join(user, "tlpipe"); writable(cache) || writable(user) || writable(filepath.Dir(user)) {
			return cache
		}
	}
	return filepath.Join(storeDir, "cache")
}

// ownCache is where .deps beside the folder this program stands in keeps weights, empty if that is not known.
func ownCache() string {
	worker, err := workerPath()
	if err != nil {
		return ""
	}
	return filepath.Join(filepath.Dir(worker), "..", ".deps", "cache")
}

func writable(dir string) bool { return unix.Access(dir, unix.W_OK) == nil }

// payload is what the worker needs to list the very same stages.
func (e *experiment) payload() (json.RawMessage, error) {
	return json.Marshal(stages.Payload{Config: e.config, Machine: e.env.Machine, Library: e.linked.Identity.Library, Continue: e.env.Continue})
}

// continueFlag is for commands that can go on from where the last finished run of a config ended.
func continueFlag() cli.Flag {
	return &cli.BoolFlag{Name: "continue", Usage: "go on from the final state of the config's last finished fine-tune, for the epochs it lacks"}
}

// continueLast has fine-tune go on from the last finished one if --continue says so.
func (e *experiment) continueLast(c *cli.Context) error {
	if !c.Bool("continue") {
		return nil
	}
	fineTune := e.config.Stages.FineTune
	if fineTune == nil {
		return exit.Errorf(exit.Usage, "the config has no stage fine-tune, so there is no training to continue")
	}
	previous, err := finetune.LastTraining(e.store, e.config.Name, fineTune.Epochs)
	if err != nil {
		return err
	}
	e.env.Continue = previous
	e.pipeline.Stages = stages.Pipeline(&e.config, e.env)
	return nil
}

// planned looks every stage up, as Plan does. A training that was continued is found although nobody says --continue
// again.
func (e *experiment) planned(ctx context.Context) ([]pipeline.Step, error) {
	steps, err := e.pipeline.Plan(ctx)
	fineTune := e.config.Stages.FineTune
	if err != nil || fineTune == nil || trained(steps) {
		return steps, err
	}
	env := e.env
	if env.Continue, err = finetune.LastTraining(e.store, e.config.Name, fineTune.Epochs); err != nil {
		return steps, nil // nothing was continued
	}
	continued := *e.pipeline
	continued.Stages = stages.Pipeline(&e.config, env)
	again, err := continued.Plan(ctx)
	if err != nil || !trained(again) {
		return steps, err
	}
	return again, nil
}

// trained reports whether the model is stored.
func trained(steps []pipeline.Step) bool {
	return slices.ContainsFunc(steps, func(s pipeline.Step) bool { return s.Stage.Name == "fine-tune" && s.Status == pipeline.Cached })
}
