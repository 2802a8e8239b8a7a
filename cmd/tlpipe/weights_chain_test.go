//go:build !notensorflow

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestWeightsFile exports from a file of weights that lies beside the config. The file is named by its content: another
// content is another model, to be exported again.
func TestWeightsFile(t *testing.T) {
	c := newChain(t, 4)
	folder := filepath.Join(c.dir, "elsewhere")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	c.python(t, absolute(t, "../../savedmodels/testdata/weights_files.py"), folder)
	c.write("elsewhere/chain.yaml", strings.NewReplacer("weights: random", "weights: vgg.h5", "path: data", "path: ../data", "block3_pool", "block1_pool").Replace(chainConfig))
	tlpipe := func(command string, args ...string) string {
		t.Helper()
		out, err := c.command(append([]string{command, "elsewhere/chain.yaml"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		return string(out)
	}
	digest := func() string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(folder, "vgg.h5"))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(text)
		return "sha256:" + hex.EncodeToString(sum[:])
	}
	runs := regexp.MustCompile(`(?m)^export-prefix +run `)

	tlpipe("export")
	first := digest()
	for _, stage := range []string{"export-prefix", "export-suffix"} {
		card, err := os.ReadFile(filepath.Join(c.dir, "artifacts/latest/chain", stage, "card.json"))
		if err != nil || !strings.Contains(string(card), first) {
			t.Errorf("the card of %s lacks %s (%v)", stage, first, err)
		}
	}
	if key := tlpipe("explain", "--stage", "export-prefix"); !strings.Contains(key, first) {
		t.Errorf("the key lacks %s:\n%s", first, key)
	}
	if plan := tlpipe("plan"); runs.MatchString(plan) {
		t.Errorf("it would be exported again:\n%s", plan)
	}
	f, err := os.OpenFile(filepath.Join(folder, "vgg.h5"), os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		_, err = f.WriteString("x")
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	if plan := tlpipe("plan"); !runs.MatchString(plan) {
		t.Errorf("the file changed, and it would not be exported again:\n%s", plan)
	}
	if key := tlpipe("explain", "--stage", "export-prefix"); !strings.Contains(key, digest()) {
		t.Errorf("the key lacks %s:\n%s", digest(), key)
	}
}
