//go:build !notensorflow

package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/progress"
)

// The default is the part of `make torture` that `make test` has time for.
var (
	tortureKills = flag.Int("kills", 24, "how many SIGKILLs TestTorture sends at random moments")
	tortureSeed  = flag.Uint64("seed", 0, "of the moments; 0: from the clock")
)

// TestTorture kills runs with SIGKILL at named steps and at random moments: the command, the process that works for it,
// or both. After each kill verify finds nothing, the next run completes what is missing from where it stood, and the
// artifacts are those of a run that was never killed, byte for byte.
func TestTorture(t *testing.T) {
	s := newTortured(t)
	t.Run("failpoints", func(t *testing.T) { s.at(t).failpoints() })
	t.Run("random", func(t *testing.T) { s.at(t).random() })
}

// at is s for a subtest.
func (s *tortured) at(t *testing.T) *tortured {
	inner, of := *s, *s.chain
	of.t, inner.chain = t, &of
	return &inner
}

// stageShares say how many of a hundred kills are meant for each stage; the rest is for whole runs.
var stageShares = map[string]int{
	"fetch": 6, "decode": 12, "normalize": 6, "export-prefix": 5, "featurize": 12, "export-suffix": 5, "fine-tune": 24, "evaluate": 6,
}

// The processes that a kill can end.
var victims = []string{"the command", "its worker", "both"} // the worker of an export is Python

// random sends the kills. Those meant for a stage go to runs that have only that stage to do, at a moment within the
// time it takes; the others to runs that begin with an empty store, at a moment within the time they take.
func (s *tortured) random() {
	seed := *tortureSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	r := &report{inside: map[string]int{}, victims: map[string]int{}, results: map[string]int{}, shards: map[string]int64{}}
	defer func() { s.t.Logf("seed %d\n%s", seed, r.table(s)) }()

	var targets []string
	for _, stage := range s.trace.ended {
		targets = append(targets, slices.Repeat([]string{stage}, max(1, stageShares[stage]**tortureKills/100))...)
	}
	rng.Shuffle(len(targets), func(i, j int) { targets[i], targets[j] = targets[j], targets[i] })
	for _, stage := range targets {
		s.forget(stage)
		before := r.inside[stage]
		for range 10 { // a kill that comes too late, or lands elsewhere, is not the one that is meant
			killed := s.kill(theStore, stage, part(rng, s.trace.seconds[stage]), victims[rng.IntN(3)], r)
			if r.inside[stage] > before {
				break
			}
			if killed {
				s.complete(theStore, r)
			}
			s.forget(stage)
		}
		s.complete(theStore, r)
	}
	for round := 0; r.kills < *tortureKills; round++ {
		name := "store-" + strconv.Itoa(round)
		for r.kills < *tortureKills && s.kill(name, "", part(rng, s.trace.all()/2), victims[rng.IntN(3)], r) {
		}
		s.complete(name, r)
		if err := os.RemoveAll(filepath.Join(s.dir, name)); err != nil {
			s.t.Fatal(err)
		}
	}
	for _, stage := range []string{"decode", "featurize", "fine-tune"} {
		if r.inside[stage] == 0 {
			s.t.Errorf("no kill landed inside %s", stage)
		}
	}
	if *tortureKills < 100 {
		return
	}
	for _, stage := range s.trace.ended {
		if r.inside[stage] < 5 {
			s.t.Errorf("only %d kills landed inside %s", r.inside[stage], stage)
		}
	}
	if r.midEpoch < 5 {
		s.t.Errorf("only %d kills landed in the middle of an epoch", r.midEpoch)
	}
}

// part is a random part of some seconds.
func part(rng *rand.Rand, seconds float64) time.Duration {
	return time.Duration(rng.Float64() * seconds * float64(time.Second))
}

// complete runs to the end what kills have interrupted.
func (s *tortured) complete(name string, r *report) {
	s.t.Helper()
	s.wantWhole(name)
	for _, one := range s.newTraces(name) {
		s.wantResumed(append(r.open, one))
		r.add(one)
	}
	r.open = nil
}

// kill starts a run, waits until a stage begins (with "", until the run does) and a while longer, and kills. It says
// whether the run was ended by that; a run that fails for any other reason ends the test.
func (s *tortured) kill(name, stage string, after time.Duration, victim string, r *report) bool {
	s.t.Helper()
	ctx, gone := context.WithCancel(s.t.Context())
	defer gone()
	cmd := s.command("run", "chain.yaml", "--json", "--store", name)
	var said bytes.Buffer
	cmd.Stderr = &said
	output, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	struck := make(chan string, 1)
	strike := func() { struck <- killNow(ctx, cmd.Process.Pid, victim) }
	armed := stage == ""
	if armed {
		time.AfterFunc(after, strike)
	}
	for lines := bufio.NewScanner(output); lines.Scan(); {
		if e := parse(lines.Bytes()); !armed && e.Type == progress.StageStart && e.Stage == stage {
			armed = true
			time.AfterFunc(after, strike)
		}
	}
	gone()
	killed := cmd.Wait() != nil
	if killed {
		victim = s.wantKilled(cmd.ProcessState, struck, said.String())
	}
	s.wantClean(name)
	traces := s.newTraces(name)
	if len(traces) == 0 { // killed before it had a record
		traces = []trace{readTrace(nil)}
	}
	r.open = append(r.open, traces[0])
	r.add(traces[0])
	if killed {
		r.killed(traces[0], victim, s.trace.total/tortureEpochs)
	} else {
		r.open = nil
	}
	return killed
}

// wantKilled makes sure that a command ended because it or its worker was killed, and says which.
func (s *tortured) wantKilled(ended *os.ProcessState, struck chan string, said string) string {
	s.t.Helper()
	victim := "none"
	select {
	case victim = <-struck: // the one who killed may come to say so only after the command is gone
	case <-time.After(time.Minute):
	}
	status, _ := ended.Sys().(syscall.WaitStatus)
	reported := status.ExitStatus() == exit.Resources && strings.Contains(said, "was killed")
	if victim == "none" || status.Signal() != syscall.SIGKILL && !reported {
		s.t.Fatalf("killed was %s, but the run ended so: %v\n%s", victim, ended, said)
	}
	return victim
}

// killNow kills a command, its children or both, and says which.
func killNow(ctx context.Context, pid int, victim string) string {
	children := slices.DeleteFunc(childrenOf(pid), func(child int) bool {
		args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child))
		return bytes.HasSuffix(args, []byte("\x00info\x00")) // works for no stage
	})
	switch {
	case ctx.Err() != nil:
		return "none"
	case len(children) == 0:
		victim = victims[0]
	}
	if victim != victims[1] {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	for _, child := range children {
		if victim != victims[0] {
			syscall.Kill(child, syscall.SIGKILL)
		}
	}
	return victim
}

func childrenOf(pid int) (children []int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range files {
		text, _ := os.ReadFile(file)
		for _, field := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				children = append(children, child)
			}
		}
	}
	return children
}

// report is what the kills came to.
type report struct {
	kills    int
	inside   map[string]int // kills, by where they landed
	victims  map[string]int
	midEpoch int // kills in the middle of an epoch of fine-tune

	open            []trace          // runs of the results that are not complete yet
	results         map[string]int   // completed, by stage
	shards          map[string]int64 // executed, by stage
	steps, fromZero int64            // of fine-tune: executed, and what they would have been if each run had begun anew
}

func (r *report) killed(one trace, victim string, perEpoch int64) {
	landed := one.landed()
	r.kills++
	r.inside[landed]++
	r.victims[victim]++
	if landed == "fine-tune" && one.last > 0 && one.last%perEpoch != 0 {
		r.midEpoch++
	}
}

func (r *report) add(one trace) {
	for _, stage := range one.ended {
		r.results[stage]++
	}
	for stage, n := range one.shards {
		r.shards[stage] += n
	}
	if one.first >= 0 {
		r.steps, r.fromZero = r.steps+one.steps(), r.fromZero+one.last
	}
}

func (r *report) table(s *tortured) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "landed in\tkills\tresults\texecuted\twithout kills")
	for _, stage := range s.trace.ended {
		fmt.Fprintf(w, "%s\t%d\t%d", stage, r.inside[stage], r.results[stage])
		if n := s.trace.shards[stage]; n > 0 {
			fmt.Fprintf(w, "\t%d shards\t%d shards", r.shards[stage], n*int64(r.results[stage]))
		}
		if stage == "fine-tune" {
			fmt.Fprintf(w, "\t%d steps\t%d steps (%d had each run begun anew)", r.steps, s.trace.total*int64(r.results[stage]), r.fromZero)
		}
		fmt.Fprintln(w)
	}
	for _, place := range []string{"between stages", "before a stage"} {
		fmt.Fprintf(w, "%s\t%d\n", place, r.inside[place])
	}
	w.Flush()
	fmt.Fprintln(&text, "steps are those that were reported, every 100 ms and with each checkpoint")
	fmt.Fprintf(&text, "%d kills: of the command alone %d, of its worker alone %d, of both %d; %d in the middle of an epoch\n", r.kills,
		r.victims[victims[0]], r.victims[victims[1]], r.victims[victims[2]], r.midEpoch)
	return text.String()
}
