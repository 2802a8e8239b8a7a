package stages

import (
	"regexp"
	"strconv"
	"testing"

	"tlpipe/pipeline/exit"
	"tlpipe/stages/featurize"
	"tlpipe/stages/network"
)

func TestFitsMemory(t *testing.T) {
	b := newBed(t, func(c *Config) {
		c.Model.Input, c.Model.TruncateAt, c.Model.FreezeThrough = []int{224, 224}, network.Taps{"block5_pool"}, "block4_pool"
		c.Stages.Featurize.BatchSize, c.Stages.FineTune.BatchSize = 512, 4096
	})
	for _, test := range []struct {
		stage  string
		memory int64
		want   string
	}{
		{"featurize", 0, ""}, // not known
		{"featurize", 1 << 50, ""},
		{"featurize", 4 << 30, "batches of 512 images take about 13 GiB of memory, but 4.0 GiB are free: set featurize.batch_size to 133 or less"},
		{"featurize", 1 << 20, "batches of 512 images take about 13 GiB of memory, but 1.0 MiB are free, too little for one image: free some, take a smaller model.input, or freeze more layers"},
		{"evaluate", 1 << 20, "batches of 32 images take about 2.0 GiB of memory, but 1.0 MiB are free: free some, or take a smaller model.input"},
		{"fine-tune", 1 << 50, ""},
		{"fine-tune", 4 << 30, "batches of 4096 images take about 14 GiB of memory, but 4.0 GiB are free: set fine-tune.batch_size to 1039 or less"},
	} {
		b.env.Memory = func() int64 { return test.memory }
		err := b.stage(test.stage).Fits(t.Context())
		if test.want == "" && err == nil {
			continue
		}
		if err == nil || err.Error() != test.want || exit.Code(err) != exit.Resources {
			t.Errorf("%s with %d bytes: %v (code %d), expected %q", test.stage, test.memory, err, exit.Code(err), test.want)
		}
		// The batch size that is suggested fits.
		if found := regexp.MustCompile(`batch_size to (\d+) or less`).FindStringSubmatch(test.want); found != nil {
			size, _ := strconv.Atoi(found[1])
			b.config.Stages.Featurize.BatchSize, b.config.Stages.FineTune.BatchSize = featurize.BatchSize(size), size
			if err := b.stage(test.stage).Fits(t.Context()); err != nil {
				t.Errorf("what is suggested is refused: %v", err)
			}
			b.config.Stages.Featurize.BatchSize, b.config.Stages.FineTune.BatchSize = 512, 4096
		}
	}
	b.env.Memory, b.env.Machine.Memory = func() int64 { return 32 << 30 }, 64<<30
	if err := b.stage("featurize").Fits(t.Context()); err != nil {
		t.Errorf("two batches at a time take more than half of the memory, so it should be one: %v", err)
	}
	b.env.Memory, b.env.Machine.Device = func() int64 { return 1 << 20 }, "gpu:0"
	if err := b.stage("featurize").Fits(t.Context()); err != nil {
		t.Errorf("a GPU's memory is another: %v", err)
	}
}
