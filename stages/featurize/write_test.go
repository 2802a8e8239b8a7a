package featurize

import (
	"strings"
	"testing"

	"tlpipe/pipeline/exit"
	"tlpipe/stages/formats"
)

// The disk must hold the copies too.
func TestFeaturizeNeedsSpaceForCopies(t *testing.T) {
	rows := make([]int64, 1<<18)
	s := &shards{FeatureRows: formats.NewFeatureRows(rows, rows, 4), width: 1 << 40, store: "float32"}
	err := s.checkDisk(t.TempDir(), len(s.Rows))
	if exit.Code(err) != exit.Resources || !strings.Contains(err.Error(), "1048576 features of 4.0 TiB need 4.0 EiB") || !strings.Contains(err.Error(), "set fewer than 4 featurize.copies, ") {
		t.Errorf("error %v with exit code %d", err, exit.Code(err))
	}
}

func TestFeaturizeNeedsSpace(t *testing.T) {
	s := &shards{FeatureRows: formats.NewFeatureRows(make([]int64, 1<<20), nil, 1), width: 1 << 40, store: "float32"}
	err := s.checkDisk(t.TempDir(), len(s.Rows))
	if exit.Code(err) != exit.Resources || !strings.Contains(err.Error(), "need 4.0 EiB with a reserve of 64 MiB, but the disk has") {
		t.Errorf("error %v with exit code %d", err, exit.Code(err))
	}
}
