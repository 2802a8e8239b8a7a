package store

import (
	"os"
	"testing"
)

// TestFlippedBitsOfARecord flips each bit of a record: not one goes unnoticed. A record of an earlier program, which has no
// digest, is read.
func TestFlippedBitsOfARecord(t *testing.T) {
	s, id := open(t), KeyID(testKey("x"))
	mustMake(t, s, "x", testFiles)
	data, err := os.ReadFile(s.recordPath(id))
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		for bit := range 8 {
			data[i] ^= 1 << bit
			if r, err := parseRecord(data, id); err == nil {
				t.Errorf("bit %d of byte %d (%q) is flipped, and the record is %+v", bit, i, data[i], r)
			}
			data[i] ^= 1 << bit
		}
	}
	forge(t, s.recordPath(id), `"r1"`, `"r2"`)
	if r, _, miss := look(t, s, id); miss != "" || r.Run != "r2" {
		t.Errorf("sealed again: %+v, %s", r, miss)
	}
}
