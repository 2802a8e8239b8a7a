//go:build !notensorflow

package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fillDisk has the shell function `full STAGE SETTINGS`, which fills the disk but for some KiB and runs the config. With a
// stage, the disk is filled once that has completed a piece of work.
const fillDisk = `
	fill() { fallocate -l $(($(df --output=avail -k disk | tail -n 1) - 64))K disk/filler 2>/dev/null; }
	full() {
		test -n "$1" || fill
		tlpipe run chain.yaml --store disk/artifacts --json $2 >events 2>>log & run=$!
		if test -n "$1"; then
			until grep -q '"completed".*"'$1'"' events || ! test -e /proc/$run/exe; do sleep 0.005; done
			fill
		fi
		wait $run; echo "code $?"
		rm -f disk/filler
	}
`

// TestFullDiskInModelStages lets the disk fill up while Keras exports, then while features are written, then checkpoints,
// and when TensorFlow saves the model: each run ends with the exit code for it and keeps what is done, and with room the
// last one completes it all, to the same bytes.
func TestFullDiskInModelStages(t *testing.T) {
	c := newChain(t, tortureImages*3/2) // which gives time to fill the disk after the first of two shards
	c.write("chain.yaml", strings.NewReplacer("weights: imagenet", "weights: random", "epochs: 40", "epochs: 2", "100ms", "1ms").Replace(tortureConfig))
	if code, _, out := c.run(); code != 0 {
		t.Fatal(out)
	}
	whole := c.artifacts("artifacts")
	out := c.shell(`mkdir -p disk && mount -t tmpfs -o size=600m tmpfs disk; tlpipe() { ` + c.bin + ` "$@"; }` + fillDisk + `
		tlpipe run chain.yaml --store disk/artifacts --until normalize >log2 2>&1 || cat log2
		full ""
		full featurize
		full fine-tune
		full "" "--set fine-tune.checkpoint_every=1h"
		tlpipe run chain.yaml --store disk/artifacts >log2 2>&1 && tlpipe verify --store disk/artifacts >log2 || cat log2
		tlpipe status chain.yaml --json --store disk/artifacts`)
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
