//go:build !notensorflow

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fillDisk has the shell function `full KIB SETTINGS`, which fills the disk but for so many KiB and runs the config, and
// `full_at PLACE KIB STAGE`, which runs it up to a stage, stops it at a place of package failpoint, and fills the disk then.
const fillDisk = `
	fill() { fallocate -l $(($(df --output=avail -k disk | tail -n 1) - $1))K disk/filler; }
	full() {
		fill $1
		tlpipe run chain.yaml --store disk/artifacts $2 2>>log >>log2; echo "code $?"
		rm -f disk/filler
	}
	full_at() {
		TLPIPE_FAILPOINT=$1:stop $bin/failpoint/tlpipe run chain.yaml --store disk/artifacts --until $3 2>>log >>log2 & run=$!
		stopped=
		until test -n "$stopped" || ! test -e /proc/$run/exe; do
			for process in $run $(cat /proc/$run/task/*/children); do
				if grep -q "^State:.T" /proc/$process/status; then stopped=$process; fi
			done
			sleep 0.01
		done 2>/dev/null
		fill $2
		kill -CONT $stopped
		wait $run; echo "code $?"
		rm -f disk/filler
	}
`

// TestFullDiskInModelStages lets the disk fill up while Keras exports, then while features are written, then checkpoints,
// and when TensorFlow saves the model: each run ends with the exit code for it and keeps what is done, and with room the
// last one completes it all, to the same bytes.
func TestFullDiskInModelStages(t *testing.T) {
	c := newChain(t, tortureImages*3/2) // which fill two shards of features
	c.write("chain.yaml", strings.NewReplacer("weights: imagenet", "weights: random", "epochs: 40", "epochs: 2", "100ms", "1ms").Replace(tortureConfig))
	if code, _, out := c.run(); code != 0 {
		t.Fatal(out)
	}
	whole := c.artifacts("artifacts")
	latest := "artifacts/latest/chain/"
	variables := c.kib(latest + "fine-tune/variables/variables.data-00000-of-00001") // more than a checkpoint, less than two
	out := c.shell(`mkdir -p disk && mount -t tmpfs -o size=600m tmpfs disk; bin=` + filepath.Dir(c.bin) + `; tlpipe() { $bin/tlpipe "$@"; }` + fillDisk + fmt.Sprintf(`
		through() { tlpipe run chain.yaml --store disk/artifacts --until $1 >log2 2>&1 || cat log2; }
		through normalize && full 64
		through export-prefix && full_at features-00001.npy:2 64 featurize
		through export-suffix && full %d
		full 64 "--set fine-tune.checkpoint_every=1h"
		tlpipe run chain.yaml --store disk/artifacts >log2 2>&1 && tlpipe verify --store disk/artifacts >log2 || cat log2
		tlpipe status chain.yaml --json --store disk/artifacts`, variables))
	codes, status, _ := strings.Cut(out, "{")
	if want := strings.Repeat("code 14\n", 4); codes != want {
		t.Errorf("%s\n%s", codes, c.read("log"))
	}
	said := strings.Split(c.read("log"), "tlpipe: ")[1:]
	for i, stage := range []string{"export-prefix", "featurize", "fine-tune", "fine-tune"} {
		if i >= len(said) || !strings.HasPrefix(said[i], stage+": ") || !strings.Contains(said[i], "run again") {
			t.Errorf("expected of %s that there is no room: %q", stage, said)
		}
	}
	if diff := cmp.Diff(whole, stored(t, fmt.Append(nil, "{"+status))); diff != "" {
		t.Errorf("with room again, the artifacts are others:\n%s", diff)
	}
}

// kib is the size of a file, in KiB.
func (c *chain) kib(path string) int64 {
	c.t.Helper()
	info, err := os.Stat(filepath.Join(c.dir, path))
	if err != nil {
		c.t.Fatal(err)
	}
	return info.Size() >> 10
}
