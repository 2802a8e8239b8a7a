package machine

import (
	"bufio"
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// memoryController names the files by which one version of control groups reports memory.
type memoryController struct {
	folder            string // folder of the hierarchy below the mount point
	limit, used, stat string // names of a group's files
	reclaimable       string // the line of stat with the inactive file pages, which the kernel reclaims before an allocation fails
}

// inGroups returns the least value of measure over the control group of this process and its ancestors, in bytes; ok is false
// if none of them has a limit. mounted is the mount point of control groups, list the content of /proc/self/cgroup.
func inGroups(mounted string, list []byte, measure func(c memoryController, group string) (int64, bool)) (least int64, ok bool) {
	least = math.MaxInt64
	for lines := bufio.NewScanner(bytes.NewReader(list)); lines.Scan(); {
		fields := strings.SplitN(lines.Text(), ":", 3) // number, controllers and path
		if len(fields) < 3 {
			continue
		}
		c := memoryController{"", "memory.max", "memory.current", "memory.stat", "inactive_file"}
		if slices.Contains(strings.Split(fields[1], ","), "memory") {
			c = memoryController{"memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat", "total_inactive_file"}
		} else if fields[0] != "0" {
			continue
		}
		// In a container the path may be that of the host. Then only the mounted root exists, which is the container's group.
		root := filepath.Join(mounted, c.folder)
		for group := filepath.Join("/", fields[2]); ; group = filepath.Dir(group) {
			if bytes, limited := measure(c, filepath.Join(root, group)); limited {
				least, ok = min(least, bytes), true
			}
			if group == "/" {
				break
			}
		}
	}
	return least, ok
}

// total returns the limit of one group, if it has one.
func (c memoryController) total(group string) (bytes int64, limited bool) {
	limit, err := readNumber(filepath.Join(group, c.limit))
	return limit, err == nil
}

// free returns how much one group may still allocate, if it has a limit.
func (c memoryController) free(group string) (bytes int64, limited bool) {
	limit, err := readNumber(filepath.Join(group, c.limit))
	used, usedErr := readNumber(filepath.Join(group, c.used))
	if err != nil || usedErr != nil {
		return 0, false
	}
	stat, _ := os.ReadFile(filepath.Join(group, c.stat))
	for line := range strings.Lines(string(stat)) {
		if value, found := strings.CutPrefix(line, c.reclaimable+" "); found {
			reclaimable, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			used -= reclaimable
		}
	}
	return max(0, limit-max(0, used)), true
}

func readNumber(path string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}
