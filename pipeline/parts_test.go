package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlpipe/pipeline/progress"
)

// counting is work whose parts each write their index.
type counting struct {
	mu    sync.Mutex
	lanes int
	began []int
	fail  func(index int) error // nil: none
	open  int
	job   *Job
}

func (c *counting) Lanes() int { return c.lanes }

func (c *counting) Do(ctx context.Context, index int, free func()) ([]string, any, error) {
	c.mu.Lock()
	c.began = append(c.began, index)
	fail := c.fail
	c.mu.Unlock()
	if fail != nil {
		if err := fail(index); err != nil {
			return nil, "failed", err
		}
	}
	free()
	name := fmt.Sprintf("part-%d", index)
	return []string{name}, map[string]int{"square": index * index}, os.WriteFile(filepath.Join(c.job.Out, name), fmt.Append(nil, index), 0o644)
}

// prepared are hands that find something out before they do parts.
type prepared struct {
	*counting
	found, used int
}

func (p *prepared) Prepare(context.Context) (any, error) {
	p.found++
	return []float32{0.1, 1.5e-45}, nil
}

func (p *prepared) Use(_ context.Context, note json.RawMessage) error {
	p.used++
	var got []float32
	if err := json.Unmarshal(note, &got); err != nil || !cmp.Equal(got, []float32{0.1, 1.5e-45}) {
		return fmt.Errorf("used %s, %w", note, err)
	}
	if p.began != nil {
		return fmt.Errorf("parts %v were begun before", p.began)
	}
	return nil
}

func (c *counting) Close() error { c.open--; return nil }

func (c *counting) division(n int) Division {
	return Division{Unit: "numbers", Kind: "part",
		Split: func(context.Context, *Job) (parts []Part, err error) {
			for i := range n {
				parts = append(parts, Part{Name: fmt.Sprintf("part-%d", i), Units: 1})
			}
			return parts, nil
		},
		Open: func(_ context.Context, job *Job, missing []Part) (Hands, error) {
			c.job = job
			c.open++
			return c, nil
		},
		Finish: func(_ context.Context, job *Job, notes []json.RawMessage) error {
			return os.WriteFile(filepath.Join(job.Out, "notes"), fmt.Appendf(nil, "%s", notes), 0o644)
		},
	}
}

func partsJob(t *testing.T) *Job {
	return &Job{Out: t.TempDir(), Scratch: t.TempDir(), Progress: progress.NewReporter("test", progress.Discard{})}
}

// What is whole is not done again; what was damaged since, and what has no receipt that can be read, is.
func TestParts(t *testing.T) {
	for _, lanes := range []int{1, 3} {
		job, c := partsJob(t), &counting{lanes: lanes}
		stop := errors.New("stop")
		c.fail = func(index int) error {
			if index == 5 {
				return stop
			}
			return nil
		}
		if err := c.division(8).Run(t.Context(), job); !errors.Is(err, stop) {
			t.Fatalf("received %v", err)
		}
		if lanes == 1 && !cmp.Equal(c.began, []int{0, 1, 2, 3, 4, 5}) {
			t.Errorf("parts %v were begun", c.began)
		}
		c.fail = nil
		if err := c.division(8).Run(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		notes, err := os.ReadFile(filepath.Join(job.Out, "notes"))
		if want := `[{"square":0} {"square":1} {"square":4} {"square":9} {"square":16} {"square":25} {"square":36} {"square":49}]`; err != nil || string(notes) != want {
			t.Errorf("notes %s, %v", notes, err)
		}
		for name, spoil := range map[string]func() error{
			"2": func() error { return os.WriteFile(filepath.Join(job.Out, "part-2"), []byte("3"), 0o644) },
			"4": func() error { return os.Remove(filepath.Join(job.Out, "part-4")) },
			"6": func() error {
				return os.WriteFile(filepath.Join(job.Scratch, "parts", "part-6.json"), []byte(`{"files": [{"name": "../part-6", "bytes": 1}]}`), 0o644)
			},
			"7": func() error {
				return os.WriteFile(filepath.Join(job.Scratch, "parts", "part-7.json"), []byte("[]"), 0o644)
			},
		} {
			c.began = nil
			if err := errors.Join(spoil(), c.division(8).Run(t.Context(), job)); err != nil || fmt.Sprint(c.began) != "["+name+"]" {
				t.Errorf("after damage to part %s, parts %v were done, %v", name, c.began, err)
			}
		}
		c.began = nil
		if err := c.division(8).Run(t.Context(), job); err != nil || len(c.began) > 0 || c.open != 0 {
			t.Errorf("parts %v were done again, %d left open, %v", c.began, c.open, err)
		}
	}
}

// Whatever work ends early for, its error can tell what parts noted, and it is seen by no one else.
func TestPartsStopped(t *testing.T) {
	job, c := partsJob(t), &counting{lanes: 1}
	stop := errors.New("stop")
	c.fail = func(index int) error {
		if index == 2 {
			return stop
		}
		return nil
	}
	d := c.division(4)
	d.Stopped = func(_ *Job, notes []json.RawMessage, err error) error { return fmt.Errorf("%w after %q", err, notes) }
	for range 2 { // the second finds what the first noted
		if err := d.Run(t.Context(), job); !errors.Is(err, stop) || err.Error() != `stop after ["{\"square\":0}" "{\"square\":1}" "\"failed\"" ""]` {
			t.Errorf("received %v", err)
		}
	}
	c.fail = nil
	if err := d.Run(t.Context(), job); err != nil {
		t.Error(err)
	}
	d.Finish = func(context.Context, *Job, []json.RawMessage) error { return stop }
	if err := d.Run(t.Context(), job); !errors.Is(err, stop) || !strings.HasSuffix(err.Error(), `"{\"square\":9}"]`) {
		t.Errorf("received %v", err)
	}
}

// A panic names its part; a cancelled run ends with the context's error and begins no further part.
func TestPartsStop(t *testing.T) {
	job, c := partsJob(t), &counting{lanes: 2}
	c.fail = func(index int) error {
		if index == 3 {
			panic("oh")
		}
		return nil
	}
	if err := c.division(9).Run(t.Context(), job); err == nil || !strings.HasPrefix(err.Error(), "part-3: a fault of tlpipe itself: oh") || len(c.began) > 6 {
		t.Errorf("received %v, %v were begun", err, c.began)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c = &counting{lanes: 1, fail: func(index int) error {
		if index == 1 {
			cancel()
		}
		return nil
	}}
	if err := c.division(9).Run(ctx, partsJob(t)); !errors.Is(err, context.Canceled) || len(c.began) > 3 {
		t.Errorf("received %v, %v were begun", err, c.began)
	}
}

// What all parts depend on is found out once, whatever becomes of the parts.
func TestPartsPrepared(t *testing.T) {
	job, p := partsJob(t), &prepared{counting: &counting{lanes: 2}}
	d := p.division(4)
	d.Open = func(context.Context, *Job, []Part) (Hands, error) { p.job = job; p.open++; return p, nil }
	stop := errors.New("stop")
	p.fail = func(int) error { return stop }
	if err := d.Run(t.Context(), job); !errors.Is(err, stop) || p.found != 1 || p.used != 1 {
		t.Errorf("%v; found out %d times, used %d times", err, p.found, p.used)
	}
	p.fail, p.began = nil, nil
	if err := d.Run(t.Context(), job); err != nil || p.found != 1 || p.used != 2 || p.open != 0 {
		t.Errorf("%v; found out %d times, used %d times, %d left open", err, p.found, p.used, p.open)
	}
	if err := os.WriteFile(filepath.Join(job.Scratch, "prepared.json"), []byte("[0."), 0o644); err != nil {
		t.Fatal(err)
	}
	p.began = nil
	if err := errors.Join(os.Remove(filepath.Join(job.Out, "part-2")), d.Run(t.Context(), job)); err != nil || p.found != 2 || p.used != 3 {
		t.Errorf("after damage to the note: %v; found out %d times, used %d times", err, p.found, p.used)
	}
}
