package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"crypto/sha256"
	"os"

	"tlpipe/pipeline/exit"
)

// saying is what a command has said so far.
type saying struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *saying) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *saying) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// TestTwoRunsAtOnce: two configs that share their first stages run at a time on one store. The second waits for the stage that
// the first does, and finds it cached; where the first is killed it does that itself. Nothing is deleted meanwhile.
func TestTwoRunsAtOnce(t *testing.T) {
	for _, kill := range []bool{false, true} {
		t.Run(fmt.Sprintf("killed %v", kill), func(t *testing.T) {
			c := newSmall(t)
			archive, asked, goOn := c.archive(), make(chan struct{}, 100), make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked <- struct{}{}
				<-goOn
				w.Write(archive)
			}))
			defer server.Close()
			config := strings.Replace(smallConfig, "path: data", fmt.Sprintf("sha256: %x, url: %s/data.tar", sha256.Sum256(archive), server.URL), 1)
			c.write("one.yaml", config)
			c.write("two.yaml", strings.Replace(strings.Replace(config, "name: small", "name: two", 1), "val: 0.25", "val: 0.5", 1))
			start := func(config string) (*exec.Cmd, *saying) {
				cmd, said := c.command("run", config), &saying{}
				cmd.Stdout, cmd.Stderr = said, said
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				return cmd, said
			}
			one, saidOne := start("one.yaml")
			<-asked
			two, saidTwo := start("two.yaml")
			waits := regexp.MustCompile(`fetch: waiting for .* by process ` + fmt.Sprint(one.Process.Pid) + ` on .*tlpipe run one.yaml`)
			for end := time.Now().Add(time.Minute); !waits.MatchString(saidTwo.String()); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("the second run does not wait:\n%s", saidTwo)
				}
			}
			for _, args := range [][]string{{"gc"}, {"verify", "--repair"}, {"unlock"}} {
				c.must(exit.Locked, args...)
			}
			c.must(exit.Done, "verify")
			c.must(exit.Done, "gc", "--dry-run")
			if kill {
				one.Process.Kill()
			}
			close(goOn)
			errOne, errTwo := one.Wait(), two.Wait()
			if errTwo != nil || !kill && errOne != nil {
				t.Fatalf("%v, %v\n%s%s", errOne, errTwo, saidOne, saidTwo)
			}
			found := map[bool]string{false: `fetch +cached`, true: `fetch +ran`}[kill]
			if !regexp.MustCompile(found).MatchString(saidTwo.String()) || len(waits.FindAllString(saidTwo.String(), -1)) != 1 {
				t.Errorf("the second run does not say %q, or not once that it waits:\n%s", found, saidTwo)
			}
			c.must(exit.Done, "verify")
			c.must(exit.Done, "run", "one.yaml")
			c.must(exit.Done, "gc")
			for _, config := range []string{"one.yaml", "two.yaml"} {
				if out := c.must(exit.Done, "run", config); !strings.Contains(out, "nothing to do") {
					t.Errorf("%s has something to do again:\n%s", config, out)
				}
			}
		})
	}
}

// archive is the chain's data as a tar.
func (c *chain) archive() []byte {
	c.t.Helper()
	cmd := exec.Command("tar", "-cf", "-", "train", "test")
	cmd.Dir = c.dir + "/data"
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		c.t.Fatal(err)
	}
	return text
}
