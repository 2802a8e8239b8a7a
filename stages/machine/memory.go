package machine

import (
	"os"
	"regexp"
	"strconv"

	"github.com/dustin/go-humanize"

	"tlpipe/pipeline/exit"
	"tlpipe/savedmodels"
	"tlpipe/stages/wording"
)

// FreeMemory is how many bytes a new process can take now without swapping: what the kernel holds available, or what the
// limit of the control group (a container's) leaves where that is less. It is 0 where neither is known.
func FreeMemory() int64 {
	return memory("MemAvailable", memoryController.free)
}

// TotalMemory is how many bytes there are, or the limit of the control group where that is less; 0 where it is not known.
func TotalMemory() int64 {
	return memory("MemTotal", memoryController.total)
}

// memory is a line of what the kernel tells, or what the control group leaves by that measure.
func memory(line string, ofGroup func(c memoryController, group string) (int64, bool)) int64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	found := regexp.MustCompile(`(?m)^` + line + `: +(\d+) kB$`).FindSubmatch(text)
	if found == nil {
		return 0
	}
	kib, err := strconv.ParseInt(string(found[1]), 10, 64)
	if err != nil {
		return 0
	}
	bytes := kib << 10
	groups, _ := os.ReadFile("/proc/self/cgroup")
	if left, limited := inGroups("/sys/fs/cgroup", groups, ofGroup); limited {
		bytes = max(1, min(bytes, left))
	}
	return bytes
}

// ModelMemory is how many bytes of the machine's memory a batch takes. What a GPU's memory holds is not estimated.
func (r Resources) ModelMemory(m savedmodels.Memory, batch int) int64 {
	if r.Machine.Device != "cpu" {
		return 0
	}
	return m.Of(batch)
}

// FitsMemory refuses a batch that the machine has no memory for, before anything is done, and names one that fits if
// there is a setting for it. What a GPU's memory holds is not estimated.
func (r Resources) FitsMemory(setting string, m savedmodels.Memory, batch int) error {
	if r.Memory == nil || r.Machine.Device != "cpu" {
		return nil
	}
	bytes := r.Memory()
	if bytes == 0 || m.Of(batch) <= bytes {
		return nil
	}
	need, free := humanize.IBytes(uint64(m.Of(batch))), humanize.IBytes(uint64(bytes))
	if fits := m.Batch(bytes); fits > 0 && setting != "" {
		return exit.Errorf(exit.Resources, "batches of %s take about %s of memory, but %s are free: set %s to %d or less", wording.Count(batch, "image"), need, free, setting, fits)
	}
	if setting == "" {
		return exit.Errorf(exit.Resources, "batches of %s take about %s of memory, but %s are free: free some, or take a smaller model.input", wording.Count(batch, "image"), need, free)
	}
	return exit.Errorf(exit.Resources, "batches of %s take about %s of memory, but %s are free, too few even for one image: free some, take a smaller model.input, or freeze more layers", wording.Count(batch, "image"), need, free)
}
