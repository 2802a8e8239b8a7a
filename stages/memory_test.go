package stages

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
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
		{"featurize", 4 << 30, "batches of 512 images take about 13 GiB of memory, but 4.0 GiB are free: set featurize.batch_size to 133 or less"},
		{"featurize", 1 << 20, "batches of 512 images take about 13 GiB of memory, but 1.0 MiB are free, too few even for one image: free some, take a smaller model.input, or freeze more layers"},
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
			b.config.Stages.Featurize.BatchSize, b.config.Stages.FineTune.BatchSize = BatchSize(size), size
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

func TestFreeMemory(t *testing.T) {
	free, total := FreeMemory(), TotalMemory()
	if _, err := os.Stat("/proc/meminfo"); err == nil && (free < 1<<20 || free > total || total > 1<<50) {
		t.Errorf("%d bytes of %d", free, total)
	}
}

// TestInGroups has control groups of both versions in a folder.
func TestInGroups(t *testing.T) {
	mounted := t.TempDir()
	for name, text := range map[string]string{
		"a/b/memory.max": "max\n", "a/b/memory.current": "500\n",
		"a/memory.max": "1000\n", "a/memory.current": "600\n", "a/memory.stat": "anon 400\ninactive_file 150\nactive_file 50\n",
		"memory/c/memory.limit_in_bytes": "800\n", "memory/c/memory.usage_in_bytes": "900\n", "memory/c/memory.stat": "inactive_file 7\ntotal_inactive_file 300\n",
		"memory/memory.limit_in_bytes": "9223372036854771712\n", "memory/memory.usage_in_bytes": "5000\n",
	} {
		path := filepath.Join(mounted, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const most = 9223372036854771712
	for list, want := range map[string]struct{ free, total int64 }{
		"":                              {-1, -1},
		"0::/\n":                        {-1, -1},
		"0::/a/b\n":                     {550, 1000}, // those of a
		"0::/a/gone\n":                  {550, 1000},
		"5:cpu:/c\n4:memory:/c\n0::/\n": {200, 800},
		"4:cpu,memory:/c\n0::/a/b\n":    {200, 800},
		"4:memory:/elsewhere/on/the/host\n0::/\n": {most - 5000, most},
	} {
		free, limited := inGroups(mounted, []byte(list), memoryController.free)
		total, _ := inGroups(mounted, []byte(list), memoryController.total)
		if !limited {
			free, total = -1, -1
		}
		if free != want.free || total != want.total {
			t.Errorf("%q: %d of %d, want %d of %d", list, free, total, want.free, want.total)
		}
	}
}
