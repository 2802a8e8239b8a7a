//go:build !notensorflow && linux

package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"tlpipe/pipeline/progress"
)

// longConfig featurizes a data set of CIFAR's size with as little of the network as there can be.
const longConfig = `name: chain
model: {weights: random, input: [32, 32], truncate_at: block1_conv1, freeze_through: block1_conv1, pooling: avg}
stages:
  - fetch: {sources: [{path: cifar}]}
  - decode: {format: cifar10}
  - normalize: {mode: caffe}
  - featurize: {batch_size: 64}
  - fine-tune: {epochs: 1}
  - evaluate: {split: test}
`

// TestLongRun featurizes 60,000 images: the process stays small and is at the end what it was at the beginning.
func TestLongRun(t *testing.T) {
	const (
		images  = 60_000
		mostRSS = 1536 << 20
		growth  = 160 << 20 // the images are 176 MiB, and several tensors of 32 MiB and more wait for the garbage collector
	)
	c := newChain(t, 1)
	c.write("chain.yaml", longConfig)
	writeCIFAR(t, filepath.Join(c.dir, "cifar"))
	cmd := c.command("run", "chain.yaml", "--json", "--until", "featurize")
	cmd.Stderr = t.Output()
	output, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var first, last, most int64 // bytes; first in the first quarter, last in the last one
	for lines := bufio.NewScanner(output); lines.Scan(); {
		e := parse(lines.Bytes())
		if e.Type != progress.Progress || e.Stage != "featurize" || e.Done < 1000 {
			continue
		}
		for _, worker := range childrenOf(cmd.Process.Pid) {
			now, peak := memoryOf(worker, "VmRSS"), memoryOf(worker, "VmHWM")
			if now == 0 { // it has ended
				continue
			}
			if first == 0 && e.Done <= images/4 {
				first = now
			}
			if e.Done >= images*3/4 {
				last = now
			}
			most = max(most, peak)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("resident: %d MiB after the first thousand, %d MiB near the end, %d MiB at most", first>>20, last>>20, most>>20)
	if first == 0 || last == 0 {
		t.Fatal("the process was not seen in the first and the last quarter")
	}
	if most > mostRSS || last-first > growth {
		t.Errorf("expected at most %d MiB, and %d MiB more at the end than after the first thousand", mostRSS>>20, growth>>20)
	}
}

// memoryOf is a line of a process's status in bytes; 0 if it has ended.
func memoryOf(pid int, name string) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	found := regexp.MustCompile(`(?m)^` + name + `:\s+(\d+) kB$`).FindSubmatch(text)
	if found == nil {
		return 0
	}
	kib, _ := strconv.ParseInt(string(found[1]), 10, 64)
	return kib << 10
}

// writeCIFAR writes 60,000 images of noise as CIFAR-10's binary archive.
func writeCIFAR(t *testing.T, dir string) {
	t.Helper()
	const records, bytes = 10_000, 1 + 3*32*32
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	names := ""
	for class := range 10 {
		names += fmt.Sprintf("class-%d\n", class)
	}
	noise := rand.NewChaCha8([32]byte{})
	batch := make([]byte, records*bytes)
	for i, name := range []string{"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"} {
		noise.Read(batch)
		for record := range records {
			batch[record*bytes] = byte((record + i) % 10)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".bin"), batch, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "batches.meta.txt"), []byte(names), 0o644); err != nil {
		t.Fatal(err)
	}
}
