package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"tlpipe/pipeline/exit"
)

// TestHangup: a run whose terminal goes away ends as with SIGTERM, however often it is told; under nohup it goes on.
func TestHangup(t *testing.T) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // where this test runs under nohup, the runs would
	defer signal.Stop(hangups)
	told := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told <- struct{}{}
		<-r.Context().Done() // the run waits in its first stage
	}))
	defer server.Close()
	for _, before := range []string{"", "trap '' HUP; "} {
		c := newSmall(t)
		c.write("waiting.yaml", strings.Replace(smallConfig, "path: data", "sha256: "+strings.Repeat("a", 64)+", url: "+server.URL+"/data.tar", 1))
		cmd := exec.Command("sh", "-c", before+"exec tlpipe run waiting.yaml")
		cmd.Dir = c.dir
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-told:
		case <-time.After(10 * time.Second):
			cmd.Process.Kill()
			t.Fatalf("the run does not wait: %v %s", <-ended, &out)
		}
		cmd.Process.Signal(syscall.SIGHUP)
		cmd.Process.Signal(syscall.SIGHUP)
		var err error
		select {
		case err = <-ended:
			if before != "" {
				t.Error("an ignored SIGHUP ended the run")
			}
		case <-time.After(2 * time.Second):
			if before == "" {
				t.Error("SIGHUP does not end the run")
			}
			cmd.Process.Signal(syscall.SIGTERM)
			err = <-ended
		}
		if code := exitCode(t, err); code != exit.Interrupted || !strings.Contains(out.String(), "interrupted; the same command continues from here") {
			t.Errorf("exit code %d:\n%s", code, &out)
		}
	}
}

// TestUnread: a command whose output nobody reads any more ends, quietly where that is all there is to say, and a run can
// be continued.
func TestUnread(t *testing.T) {
	c := newSmall(t)
	for _, test := range []struct{ command, says string }{
		{"tlpipe schema", ""},
		{"tlpipe run chain.yaml --json", "tlpipe: interrupted; the same command continues from here\n"},
		{"tlpipe run chain.yaml --json", "tlpipe: interrupted; the same command continues from here\n"},
		{"tlpipe run chain.yaml 2>&1", ""},
	} {
		cmd := exec.Command("sh", "-c", `{ sleep 0.2; `+test.command+`; echo "code $?" >code; } | true`)
		cmd.Dir = c.dir
		var said strings.Builder
		cmd.Stderr = &said
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		if code := c.read("code"); code != fmt.Sprintf("code %d\n", exit.Interrupted) || said.String() != test.says {
			t.Errorf("%s: %s and %q", test.command, code, said.String())
		}
	}
	c.must(exit.Done, "run", "chain.yaml")
	c.must(exit.Done, "verify")
}
