package machine

import (
	"os"
	"path/filepath"
	"testing"
)

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
