package formats

import (
	"testing"
)

// TestPass reads rows behind Pass, in both directions.
func TestPass(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 {
		if err := WriteArray(dir+"/"+ShardName("x", i), "|u1", []int{2, 1}, []byte{byte(2 * i), byte(2*i + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := OpenShards(dir, "x", []int{2, 2, 2})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, at := range []int{0, 3, 5, 1, 4, 0} {
		if err := s.Pass(at); err != nil {
			t.Fatal(err)
		}
		for row := range 6 {
			if got := s.Row(row)[0]; int(got) != row {
				t.Errorf("at %d: row %d is %d", at, row, got)
			}
		}
	}
}
