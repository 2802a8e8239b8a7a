package stages

import (
	"os"
	"regexp"
	"strconv"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/dustin/go-humanize"

	"tlpipe/pipeline/exit"
	"tlpipe/savedmodels"
)

// FreeMemory is how many bytes a new process can take without swapping: what the kernel holds available, or the limit
// of the control group (a container's) where that is less. It is 0 where neither is known.
func FreeMemory() int64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	found := regexp.MustCompile(`(?m)^MemAvailable: +(\d+) kB$`).FindSubmatch(text)
	if found == nil {
		return 0
	}
	kib, err := strconv.ParseInt(string(found[1]), 10, 64)
	if err != nil {
		return 0
	}
	free := kib << 10
	if limit, err := memlimit.FromCgroup(); err == nil && limit < uint64(free) {
		free = int64(limit)
	}
	return free
}

// fitsMemory refuses a batch that the machine has no memory for, before anything is done, and names one that fits. What
// a GPU's memory holds is not estimated.
func (e Env) fitsMemory(setting string, m savedmodels.Memory, batch int) error {
	if e.Memory == 0 || e.Machine.Device != "cpu" || m.Of(batch) <= e.Memory {
		return nil
	}
	need, free := humanize.IBytes(uint64(m.Of(batch))), humanize.IBytes(uint64(e.Memory))
	if fits := m.Batch(e.Memory); fits > 0 {
		return exit.Errorf(exit.Resources, "batches of %d images take about %s of memory, but %s are free: set %s to %d or less", batch, need, free, setting, fits)
	}
	return exit.Errorf(exit.Resources, "batches of %d images take about %s of memory, but %s are free, too few even for one image: free some, take a smaller model.input, or freeze more layers", batch, need, free)
}
