package heif

import (
	"runtime"
	"testing"
)

// Files leave no memory to the garbage collector but their pixels.
func TestMemoryIsGivenBack(t *testing.T) {
	data := file(t, "odd.heic")
	if _, err := Decode(data, mostPixels); err != nil { // compiles
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const times = 20
	for range times {
		if _, err := Decode(data, mostPixels); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / times; each > 1<<20 {
		t.Errorf("a file of 29 × 23 pixels takes %d bytes of the heap", each)
	}
}
