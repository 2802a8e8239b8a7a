package stages

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"tlpipe/pipeline/config"
	"tlpipe/stages/fetch"
	"tlpipe/stages/finetune"
	"tlpipe/stages/network"
	"tlpipe/stages/normalize"
)

type multipliers = map[string]float64

func problemsOf(c *Config) []string {
	var list []string
	c.Problems(func(path, format string, args ...any) {
		list = append(list, path+": "+fmt.Sprintf(format, args...))
	})
	return list
}

// checked is a config without problems.
func checked() Config {
	c := Defaults()
	c.Name = "test"
	c.Stages.Fetch.Sources = []fetch.Source{{Path: "data.zip"}}
	return c
}

// noVal makes a change where decode gives no val split.
func noVal(change func(c *Config)) func(c *Config) {
	return func(c *Config) {
		c.Stages.Decode.Splits = map[string]string{"train": "train", "test": "test"}
		change(c)
	}
}

// WithVal makes a change where decode gives one.
func withVal(change func(c *Config)) func(c *Config) {
	return func(c *Config) {
		c.Stages.Decode.Splits = map[string]string{"train": "train", "val": "val", "test": "test"}
		change(c)
	}
}

func TestProblems(t *testing.T) {
	c := checked()
	if got := problemsOf(&c); len(got) > 0 {
		t.Fatalf("the base of this test has problems: %v", got)
	}
	for name, c := range map[string]struct {
		change func(c *Config)
		want   string // the beginning of the only problem
	}{
		"mean-std without": {func(c *Config) { c.Stages.Normalize.Mode = "mean-std" }, "stages.normalize.mode: mode mean-std needs mean and std"},
		"caffe with mean":  {func(c *Config) { c.Stages.Normalize.Mean = []float64{0, 0, 0} }, "stages.normalize.mean: mode caffe has its own mean"},
		"caffe with std":   {func(c *Config) { c.Stages.Normalize.Std = []float64{1, 1, 1} }, "stages.normalize.std: mode caffe has its own std"},
		"mean of 255": {func(c *Config) {
			*c.Stages.Normalize = normalize.Settings{Mode: "mean-std", Mean: []float64{0.5, 127, 0.5}, Std: []float64{1, 1, 1}}
		}, "stages.normalize.mean[1]: mean is on the scale 0 to 1, received 127"},
		"std of 0": {func(c *Config) {
			*c.Stages.Normalize = normalize.Settings{Mode: "mean-std", Mean: []float64{0.5, 0.5, 0.5}, Std: []float64{1, 1, 0}}
		}, "stages.normalize.std[2]: std is on the scale 0 to 1 and not 0, received 0"},
		"per_class val": {noVal(func(c *Config) { c.Stages.Normalize.Split.PerClass = map[string]int{"val": 5} }), "stages.normalize.split.per_class.val: val is cut from train"},
		"per_class val of a share": {func(c *Config) {
			c.Stages.Normalize.Split.PerClass, c.Stages.Normalize.Split.Val = map[string]int{"val": 5}, 0.1
		}, "stages.normalize.split.per_class.val: val is cut from train: split.val or split.folds say"},
		"val twice":          {withVal(func(c *Config) { c.Stages.Normalize.Split.Val = 0.1 }), "stages.normalize.split.val: decode.splits.val gives a val split"},
		"folds beside val":   {withVal(func(c *Config) { c.Stages.Normalize.Split.Folds = 5 }), "stages.normalize.split.folds: decode.splits.val gives a val split"},
		"per_class other":    {func(c *Config) { c.Stages.Normalize.Split.PerClass = map[string]int{"dev": 5} }, "stages.normalize.split.per_class.dev: expected train, val or test"},
		"per_class none":     {func(c *Config) { c.Stages.Normalize.Split.PerClass = map[string]int{"train": 0} }, "stages.normalize.split.per_class.train: expected at least 1 image"},
		"fold without folds": {func(c *Config) { c.Stages.Normalize.Split.Fold = 1 }, "stages.normalize.split.fold: there are no folds"},
		"folds and val":      {func(c *Config) { c.Stages.Normalize.Split = normalize.Split{Folds: 5, Val: 0.1} }, "stages.normalize.split.val: split.folds says already"},
		"one fold":           {func(c *Config) { c.Stages.Normalize.Split.Folds = 1 }, "stages.normalize.split.folds: a single fold leaves nothing"},
		"fold too high":      {func(c *Config) { c.Stages.Normalize.Split = normalize.Split{Folds: 5, Fold: 5} }, "stages.normalize.split.fold: 5 folds are numbered 0 to 4, received 5"},
		"crop":               {func(c *Config) { c.Stages.Decode.Size, c.Stages.Normalize.Crop = 64, 65 }, "stages.normalize.crop: a square of 65 does not fit into images of 64"},
		"crop of CIFAR":      {func(c *Config) { c.Stages.Decode.Format, c.Stages.Normalize.Crop = "cifar10", 33 }, "stages.normalize.crop: a square of 33"},
		"test twice": {func(c *Config) {
			c.Stages.Decode.Splits, c.Stages.Normalize.Split.Test = map[string]string{"train": "a", "test": "b"}, 0.1
		}, "stages.normalize.split.test: decode already gives"},
		"no test": {func(c *Config) { c.Stages.Decode.Splits = map[string]string{"train": "."} }, "stages.evaluate.split: there is no test split"},
		"no val":  {noVal(func(c *Config) { c.Stages.Evaluate.Split = "val" }), "stages.evaluate.split: there is no val split"},
		"best":    {noVal(func(c *Config) { c.Stages.FineTune.Keep = "best" }), "stages.fine-tune.keep: it chooses by val, but there is no val split"},
		"batch_size does nothing": {func(c *Config) { c.Model.FreezeThrough, c.Stages.Featurize.BatchSize = "none", 1 },
			"stages.featurize.batch_size: nothing is frozen"},
		"store does nothing": {func(c *Config) { c.Model.FreezeThrough, c.Stages.Featurize.Store = "none", "float16" },
			"stages.featurize.store: nothing is frozen"},
		"precision does nothing": {func(c *Config) { c.Model.FreezeThrough, c.Stages.Featurize.Precision = "none", "auto" },
			"stages.featurize.precision: nothing is frozen"},
		"multiplier does nothing": {func(c *Config) { c.Stages.FineTune.LRMultiplier = multipliers{"backbone": 0.1} },
			"stages.fine-tune.learning_rate_multiplier.backbone: every layer that is kept is frozen"},
		"multiplier, frozen up to the pooling layer": {func(c *Config) {
			c.Model.FreezeThrough, c.Stages.FineTune.LRMultiplier = "block5_conv3", multipliers{"backbone": 0.1}
		}, "stages.fine-tune.learning_rate_multiplier.backbone: every layer"},
		"multiplier of a frozen layer": {func(c *Config) {
			c.Model.FreezeThrough, c.Stages.FineTune.LRMultiplier = "block4_pool", multipliers{"block4_conv1": 1}
		}, "stages.fine-tune.learning_rate_multiplier.block4_conv1: block4_conv1 does not train: block5_conv1 to block5_conv3 do"},
		"multiplier of a layer cut off": {func(c *Config) {
			c.Model.FreezeThrough, c.Model.TruncateAt, c.Stages.FineTune.LRMultiplier = "none", network.Taps{"block4_pool"}, multipliers{"block5": 1}
		}, "stages.fine-tune.learning_rate_multiplier.block5: block5 does not train: block1_conv1 to block4_conv3 do"},
		"multiplier of a typo": {func(c *Config) {
			c.Model.FreezeThrough, c.Stages.FineTune.LRMultiplier = "none", multipliers{"blok5": 1}
		}, `stages.fine-tune.learning_rate_multiplier.blok5: there is no part "blok5" of vgg16: expected backbone, head, a block such as block5, or a layer; did you mean block5?`},
		"multiplier of a pooling layer": {func(c *Config) {
			c.Model.FreezeThrough, c.Stages.FineTune.LRMultiplier = "none", multipliers{"block5_pool": 1}
		}, "stages.fine-tune.learning_rate_multiplier.block5_pool: block5_pool has nothing that trains"},
		"multiplier overruled": {func(c *Config) {
			c.Model.FreezeThrough, c.Stages.FineTune.LRMultiplier = "block4_pool", multipliers{"backbone": 0.1, "block5": 1}
		}, "stages.fine-tune.learning_rate_multiplier.backbone: each layer it stands for is named more precisely"},
		"negative multiplier": {func(c *Config) { c.Stages.FineTune.LRMultiplier = multipliers{"head": -1} },
			"stages.fine-tune.learning_rate_multiplier.head: expected a factor of 0 or more"},
		"head first, all frozen": {func(c *Config) { c.Stages.FineTune.HeadFirstEpochs = 1 }, "stages.fine-tune.head_first_epochs: every layer that is kept is frozen"},
		"head first to the end": {func(c *Config) { c.Model.FreezeThrough, c.Stages.FineTune.HeadFirstEpochs = "block4_pool", 10 },
			"stages.fine-tune.head_first_epochs: of 10 epochs none is left for the layers behind block4_pool"},
		"nothing learns, all frozen": {func(c *Config) { c.Stages.FineTune.LRMultiplier = multipliers{"head": 0} },
			"stages.fine-tune.learning_rate_multiplier: its factors are 0 for all that is not frozen"},
		"nothing learns": {func(c *Config) {
			c.Model.FreezeThrough, c.Stages.FineTune.LRMultiplier = "none", multipliers{"backbone": 0, "head": 0}
		}, "stages.fine-tune.learning_rate_multiplier: its factors are 0"},
		"nothing learns, said of each part": {func(c *Config) {
			c.Model.FreezeThrough, c.Stages.FineTune.LRMultiplier = "block4_conv3", multipliers{"block5": 0, "head": 0}
		}, "stages.fine-tune.learning_rate_multiplier: its factors are 0"},
		"head first and alone": {func(c *Config) {
			c.Model.FreezeThrough, c.Stages.FineTune.HeadFirstEpochs, c.Stages.FineTune.LRMultiplier = "none", 2, multipliers{"backbone": 0}
		}, "stages.fine-tune.head_first_epochs: learning_rate_multiplier is 0 for every layer of the base model"},
		"head first, but still": {func(c *Config) {
			c.Model.FreezeThrough, c.Stages.FineTune.HeadFirstEpochs, c.Stages.FineTune.LRMultiplier = "none", 2, multipliers{"head": 0}
		}, "stages.fine-tune.head_first_epochs: learning_rate_multiplier.head is 0, so nothing would learn"},
		"clipped twice": {func(c *Config) { c.Stages.FineTune.Optimizer.ClipNorm, c.Stages.FineTune.Optimizer.ClipValue = 1, 1 },
			"stages.fine-tune.optimizer.clipvalue: gradients are clipped in one way"},
		"class of a typo": {func(c *Config) {
			c.Stages.Decode.Format, c.Stages.Decode.ClassNames = "idx", []string{"ants", "bees"}
			c.Stages.FineTune.ClassWeight.Factors = multipliers{"ant": 2}
		}, `stages.fine-tune.class_weight: there is no class "ant" in decode.class_names; did you mean ants?`},
		"negative class weight": {func(c *Config) { c.Stages.FineTune.ClassWeight.Factors = multipliers{"ants": -1} }, "stages.fine-tune.class_weight: ants: expected a factor of 0 or more"},
		"gamma of cosine":       {func(c *Config) { c.Stages.FineTune.Schedule.Name, c.Stages.FineTune.Schedule.Gamma = "cosine", 0.5 }, "stages.fine-tune.schedule.gamma: schedule cosine has no gamma"},
		"gamma of 1":            {func(c *Config) { c.Stages.FineTune.Schedule.Name, c.Stages.FineTune.Schedule.Gamma = "step", 1 }, "stages.fine-tune.schedule.gamma: a factor of 1 never lowers"},
		"step_size":             {func(c *Config) { c.Stages.FineTune.Schedule.StepSize = 3 }, "stages.fine-tune.schedule.step_size: schedule constant has no step_size"},
		"patience":              {func(c *Config) { c.Stages.FineTune.Schedule.Patience = 3 }, "stages.fine-tune.schedule.patience: schedule constant has no patience"},
		"min_delta":             {func(c *Config) { c.Stages.FineTune.Schedule.MinDelta = 1 }, "stages.fine-tune.schedule.min_delta: schedule constant has no min_delta"},
		"plateau":               {noVal(func(c *Config) { c.Stages.FineTune.Schedule.Name, c.Stages.FineTune.Schedule.Patience = "plateau", 2 }), "stages.fine-tune.schedule.name: it chooses by val"},
		"late plateau": {func(c *Config) {
			c.Stages.Normalize.Split.Val, c.Stages.FineTune.Schedule.Name, c.Stages.FineTune.Schedule.Patience = 0.1, "plateau", 9
		}, "stages.fine-tune.schedule.patience: of 10 epochs none comes after one and 9 more"},
		"early_stopping": {noVal(func(c *Config) { c.Stages.FineTune.EarlyStopping.Patience = 2 }), "stages.fine-tune.early_stopping: it chooses by val"},
		"late stop": {func(c *Config) { c.Stages.Normalize.Split.Val, c.Stages.FineTune.EarlyStopping.Patience = 0.1, 9 },
			"stages.fine-tune.early_stopping.patience: of 10 epochs none"},
		"idle min_delta":   {func(c *Config) { c.Stages.FineTune.EarlyStopping.MinDelta = 1 }, "stages.fine-tune.early_stopping.min_delta: min_delta does nothing"},
		"idle monitor":     {func(c *Config) { c.Stages.FineTune.EarlyStopping.Monitor = "val_accuracy" }, "stages.fine-tune.early_stopping.monitor: monitor does nothing"},
		"warmup":           {func(c *Config) { c.Stages.FineTune.Schedule.WarmupEpochs = 10 }, "stages.fine-tune.schedule.warmup_epochs: the warmup takes 10 epochs"},
		"nesterov":         {func(c *Config) { c.Stages.FineTune.Optimizer.Nesterov, c.Stages.FineTune.Optimizer.Momentum = true, 0 }, "stages.fine-tune.optimizer.nesterov: nesterov needs"},
		"adamw momentum":   {func(c *Config) { c.Stages.FineTune.Optimizer.Name, c.Stages.FineTune.Optimizer.Momentum = "adamw", 0.5 }, "stages.fine-tune.optimizer.momentum: adamw has no momentum"},
		"checkpoint_every": {func(c *Config) { c.Stages.FineTune.CheckpointEvery = "2" }, `stages.fine-tune.checkpoint_every: expected a duration such as 2m or 30s, received "2"`},
		"top_k":            {func(c *Config) { c.Stages.Evaluate.TopK = []int{1, 0} }, "stages.evaluate.top_k[1]: expected at least 1, received 0"},
		"gate":             {func(c *Config) { c.Stages.Evaluate.Gates = map[string]float64{"acuracy": 0.9} }, "stages.evaluate.gates.acuracy: there is no metric acuracy; did you mean accuracy?; a gate can name accuracy, macro_f1,"},
		"gate in percent":  {func(c *Config) { c.Stages.Evaluate.Gates = map[string]float64{"accuracy": 90} }, "stages.evaluate.gates.accuracy: accuracy lies between 0 and 1, received 90"},
		"top_3 unreported": {func(c *Config) { c.Stages.Evaluate.Gates = map[string]float64{"top_3": 0.9} }, "stages.evaluate.gates.top_3: there is no metric top_3"},
		"input":            {func(c *Config) { c.Model.Input = []int{28, 32} }, "model.input[0]: vgg16 takes images of 32 to 4096 pixels, received 28"},
		"huge input":       {func(c *Config) { c.Model.Input = []int{32, 1 << 62} }, "model.input[1]: vgg16 takes images of 32 to 4096 pixels, received 4611686018427387904"},
		"units":            {func(c *Config) { c.Model.Head.Units = []int{64, 0} }, "model.head.units[1]: an FC layer has at least 1 output"},
		"weights":          {func(c *Config) { c.Model.Weights = "imagnet" }, `model.weights: expected imagenet, random or the path of a .h5, .weights.h5 or .keras file, received "imagnet"; did you mean imagenet?`},
		"layer":            {func(c *Config) { c.Model.TruncateAt, c.Model.FreezeThrough = network.Taps{"block5_pol"}, "none" }, `model.truncate_at: unknown layer "block5_pol" of vgg16; did you mean block5_pool?`},
		"pooling does nothing": {func(c *Config) {
			c.Model.TruncateAt, c.Model.FreezeThrough, c.Model.Pooling = network.Taps{"fc2", "fc1"}, "fc2", "avg"
		}, "model.pooling: fc2 is an FC layer, which has no positions to pool"},
		"multiplier, FC layers frozen": {func(c *Config) {
			c.Model.TruncateAt, c.Model.FreezeThrough, c.Stages.FineTune.LRMultiplier = network.Taps{"fc2"}, "fc2", multipliers{"backbone": 0.1}
		}, "stages.fine-tune.learning_rate_multiplier.backbone: every layer"},
		"freeze behind fc1": {func(c *Config) { c.Model.TruncateAt, c.Model.FreezeThrough = network.Taps{"fc1"}, "fc2" }, "model.freeze_through: fc2 lies behind the last layer kept, fc1"},
		"tapped twice":      {func(c *Config) { c.Model.TruncateAt = network.Taps{"block5_pool", "block5_pool"} }, "model.truncate_at[1]: block5_pool is tapped twice"},
		"no tap":            {func(c *Config) { c.Model.TruncateAt = nil }, "model.truncate_at: expected at least one layer"},
		"freeze":            {func(c *Config) { c.Model.FreezeThrough = "nonee" }, `model.freeze_through: unknown layer "nonee" of vgg16; did you mean none?`},
		"freeze behind":     {func(c *Config) { c.Model.TruncateAt = network.Taps{"block3_pool"} }, "model.freeze_through: block5_pool lies behind the last layer kept, block3_pool"},
		"order":             {func(c *Config) { c.Stages.Featurize, c.Stages.Evaluate = nil, nil }, "stages.fine-tune: fine-tune needs what featurize gives"},
	} {
		t.Run(name, func(t *testing.T) {
			broken := checked()
			c.change(&broken)
			got := problemsOf(&broken)
			if len(got) != 1 || !strings.HasPrefix(got[0], c.want) {
				t.Errorf("problems %q, want one that begins with %q", got, c.want)
			}
		})
	}
}

func TestNoProblems(t *testing.T) {
	for name, change := range map[string]func(c *Config){
		"mean-std": func(c *Config) {
			c.Stages.Normalize.Mode, c.Stages.Normalize.Mean, c.Stages.Normalize.Std = "mean-std", []float64{0.5, 0.5, 0.5}, []float64{0.5, 0.5, 0.5}
		},
		"single folder": func(c *Config) {
			c.Stages.Decode.Splits, c.Stages.Normalize.Split.Test = map[string]string{"train": "."}, 0.2
		},
		"multiplier": func(c *Config) {
			c.Model.FreezeThrough, c.Stages.FineTune.LRMultiplier = "block3_pool", multipliers{"backbone": 0.1, "block5": 0.5, "block5_conv3": 1, "head": 2}
		},
		"one block learns": func(c *Config) {
			c.Model.FreezeThrough, c.Stages.FineTune.HeadFirstEpochs = "none", 2
			c.Stages.FineTune.LRMultiplier = multipliers{"backbone": 0, "block5_conv3": 0.1}
		},
		"head stays": func(c *Config) {
			c.Model.FreezeThrough, c.Stages.FineTune.LRMultiplier = "none", multipliers{"head": 0}
		},
		"head first": func(c *Config) { c.Model.FreezeThrough, c.Stages.FineTune.HeadFirstEpochs = "none", 9 },
		"plateau": func(c *Config) {
			c.Stages.Normalize.Split.Val, c.Stages.FineTune.Schedule.Name, c.Stages.FineTune.Schedule.Patience = 0.1, "plateau", 8
		},
		"early_stopping": func(c *Config) {
			c.Stages.Normalize.Split.Val, c.Stages.FineTune.EarlyStopping = 0.1, finetune.EarlyStop{Patience: 8, MinDelta: 0.01, Monitor: "val_accuracy"}
		},
		"several taps":                       func(c *Config) { c.Model.TruncateAt = network.Taps{"block5_pool", "block3_pool"} },
		"best":                               func(c *Config) { c.Stages.Normalize.Split.Val, c.Stages.FineTune.Keep = 0.1, "best" },
		"best of a folder that may be there": func(c *Config) { c.Stages.FineTune.Keep, c.Stages.Evaluate.Split = "best", "val" },
		"part of a folder that may be there": func(c *Config) { c.Stages.Normalize.Split.PerClass = map[string]int{"val": 5} },
		"tutorial":                           func(c *Config) { c.Model.TruncateAt, c.Model.FreezeThrough = network.Taps{"fc2"}, "block5_pool" },
		"a block beside FC layers":           func(c *Config) { c.Model.TruncateAt, c.Model.Pooling = network.Taps{"fc2", "block4_pool"}, "max" },
		"best of a fold": func(c *Config) {
			c.Stages.Normalize.Split, c.Stages.FineTune.Keep, c.Stages.Evaluate.Split = normalize.Split{Folds: 5, Fold: 4}, "best", "val"
		},
		"until featurize": func(c *Config) { c.Stages.FineTune, c.Stages.Evaluate = nil, nil },
		"weights file":    func(c *Config) { c.Model.Weights = "my.weights.h5" },
		"own served gate": func(c *Config) { c.Stages.Evaluate.Gates = map[string]float64{"served_agreement": 0.9, "top_5": 0.5} },
		"exponential, nested": func(c *Config) {
			c.Stages.FineTune.Schedule = finetune.Schedule{Name: "exponential", Gamma: 0.5, StepSize: 7, Patience: 10, MinDelta: 0.0001}
		},
	} {
		c := checked()
		change(&c)
		if got := problemsOf(&c); len(got) > 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Every config that is shipped passes, and every overlay over the configs it is for.
func TestShippedConfigs(t *testing.T) {
	var together [][]string
	for _, folder := range []string{"", "tutorial"} {
		files, err := filepath.Glob(filepath.Join("..", "configs", folder, "*.yaml"))
		if err != nil || len(files) < 4 {
			t.Fatalf("configs: %v, %v", files, err)
		}
		for _, file := range files {
			if !strings.HasSuffix(file, ".overlay.yaml") {
				together = append(together, []string{file})
			}
		}
	}
	for overlay, bases := range map[string][]string{
		"case1-block5.overlay.yaml": {"case1.yaml", "case2.yaml"},
		"case4-block5.overlay.yaml": {"case4.yaml"},
	} {
		for _, base := range bases {
			folder := filepath.Join("..", "configs", "tutorial")
			together = append(together, []string{filepath.Join(folder, base), filepath.Join(folder, overlay)})
		}
	}
	for _, files := range together {
		c, _, err := config.Load(files, nil, Defaults)
		if err != nil {
			t.Errorf("%v: %v", files, err)
			continue
		}
		if got := problemsOf(&c); len(got) > 0 {
			t.Errorf("%v: %v", files, got)
		}
	}
}

func TestSpecs(t *testing.T) {
	c := checked()
	c.Model.TruncateAt, c.Model.FreezeThrough = network.Taps{"block5_pool", "block3_pool", "block4_pool"}, "block5_conv3"
	p := c.Stages.Featurize.Spec(c.network())
	if got := fmt.Sprintf("%v %s %v %s", p.Taps, p.Freeze, p.AllFrozen(), p.Preprocess.Mode); got != "[block3_pool block4_pool block5_pool] block5_pool true caffe" {
		t.Errorf("prefix %s", got)
	}
	s := c.Stages.FineTune.Spec(c.network(), 7)
	if s.Classes != 7 || s.Units == nil || s.Optimizer.Name != "sgd" || len(s.LearningRates) > 0 {
		t.Errorf("suffix %+v", s)
	}
}
