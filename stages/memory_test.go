package stages

import (
	"os"
	"testing"

	"tlpipe/pipeline/exit"
)

func TestFitsMemory(t *testing.T) {
	b := newBed(t, func(c *Config) {
		c.Model.Input, c.Model.TruncateAt, c.Model.FreezeThrough = []int{224, 224}, Taps{"block5_pool"}, "block4_pool"
		c.Stages.Featurize.BatchSize, c.Stages.FineTune.BatchSize = 512, 4096
	})
	for _, test := range []struct {
		stage  string
		memory int64
		want   string
	}{
		{"featurize", 0, ""}, // not known
		{"featurize", 1 << 50, ""},
		{"featurize", 4 << 30, "batches of 512 images take about 13 GiB of memory, but 4.0 GiB are free: set featurize.batch_size to 146 or less"},
		{"featurize", 1 << 20, "batches of 512 images take about 13 GiB of memory, but 1.0 MiB are free, too few even for one image: free some, take a smaller model.input, or freeze more layers"},
		{"fine-tune", 1 << 50, ""},
		{"fine-tune", 4 << 30, "batches of 4096 images take about 8.6 GiB of memory, but 4.0 GiB are free: set fine-tune.batch_size to 1729 or less"},
	} {
		b.env.Memory = test.memory
		err := b.stage(test.stage).Fits()
		if test.want == "" && err == nil {
			continue
		}
		if err == nil || err.Error() != test.want || exit.Code(err) != exit.Resources {
			t.Errorf("%s with %d bytes: %v (code %d), expected %q", test.stage, test.memory, err, exit.Code(err), test.want)
		}
	}
	b.env.Memory, b.env.Machine.Device = 1<<20, "gpu:0"
	if err := b.stage("featurize").Fits(); err != nil {
		t.Errorf("a GPU's memory is another: %v", err)
	}
}

func TestFreeMemory(t *testing.T) {
	free := FreeMemory()
	if _, err := os.Stat("/proc/meminfo"); err == nil && (free < 1<<20 || free > 1<<50) {
		t.Errorf("%d bytes", free)
	}
}
