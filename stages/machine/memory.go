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

// FreeMemory returns how many bytes a new process can allocate now without swapping: MemAvailable of /proc/meminfo, or what
// the memory limit of the control group (a container's) leaves if that is less; 0 if neither is known.
func FreeMemory() int64 {
	return memory("MemAvailable", memoryController.free)
}

// TotalMemory returns the machine's memory in bytes, or the control group's limit if that is less; 0 if neither is known.
func TotalMemory() int64 {
	return memory("MemTotal", memoryController.total)
}

// memory returns a line of /proc/meminfo in bytes, or the control group's value ofGroup if that is less.
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

// ModelMemory estimates how many bytes of main memory a batch takes. The memory of a GPU is not estimated.
func (r Resources) ModelMemory(m savedmodels.Memory, batch int) int64 {
	if r.Machine.Device != "cpu" {
		return 0
	}
	return m.Of(batch)
}

// FitsMemory returns an error if a batch needs more memory than the machine has free. Where setting names the setting of the
// batch size, the error suggests a batch that fits. The memory of a GPU is not estimated.
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
	return exit.Errorf(exit.Resources, "batches of %s take about %s of memory, but %s are free, too little for one image: free some, take a smaller model.input, or freeze more layers", wording.Count(batch, "image"), need, free)
}
