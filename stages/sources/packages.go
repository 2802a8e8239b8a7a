package sources

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"tlpipe/pipeline/nearest"
)

// packageFile returns the path of a downloaded package. Each package is downloaded once in a run, however many members are
// read from it. download must put exactly one file that ends in extension into dir.
func (g *Getter) packageFile(ctx context.Context, kind, name, extension string, download func(ctx context.Context, dir string) error) (string, error) {
	id := kind + " package " + name
	if err := g.packages[id]; err != nil {
		return "", err
	}
	dir := filepath.Join(g.scratch, kind, name)
	if file, err := onlyFile(dir, extension); err == nil {
		return file, nil
	}
	g.progress.Notef("downloading the %s", id)
	file, err := fetchPackage(ctx, dir, extension, g.Room, download)
	if err != nil && ctx.Err() == nil {
		g.packages[id] = err
	}
	return file, err
}

func fetchPackage(ctx context.Context, dir, extension string, room Room, download func(ctx context.Context, dir string) error) (string, error) {
	temp := dir + ".partial"
	if err := errors.Join(os.RemoveAll(temp), os.RemoveAll(dir), os.MkdirAll(temp, 0o755)); err != nil {
		return "", err
	}
	roomy, stop := room.watch(ctx, temp)
	err := download(roomy, temp)
	if full := stop(); full != nil {
		err = full
	}
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(temp))
	}
	file, err := onlyFile(temp, extension)
	if err != nil {
		return "", err
	}
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return "", err
	}
	if err := os.Rename(temp, dir); err != nil {
		return "", err
	}
	return onlyFile(dir, extension)
}

func onlyFile(dir, extension string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var files []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), extension) && e.Type().IsRegular() {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	if len(files) != 1 {
		return "", fmt.Errorf("expected one file *%s, got %d", extension, len(files))
	}
	return files[0], nil
}

// command prepares an external program that prints in English, and that is killed with its children when ctx is done.
func command(ctx context.Context, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "LANGUAGE=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 3 * time.Second
	return cmd
}

// failure turns the output of a program that failed into an error: its lines that begin with mark, or else the last line.
func failure(err error, output []byte, mark string) error {
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	if lines[0] == "" {
		return err
	}
	var said []string
	for _, line := range lines {
		if text, ok := strings.CutPrefix(line, mark); ok {
			said = append(said, shorten(strings.TrimSpace(text)))
		}
	}
	if len(said) == 0 {
		said = []string{shorten(lines[len(lines)-1])}
	}
	return fmt.Errorf("%s (%w)", Scrub(strings.Join(said, "; ")), err)
}

func shorten(line string) string {
	const longest = 160
	if r := []rune(line); len(r) > longest {
		return string(r[:longest]) + "…"
	}
	return line
}

// noMember is the error for a package without this member. It suggests a file of a similar name.
func noMember(member string, names []string) error {
	if near := nearest.Name(member, names); near != "" {
		return fmt.Errorf("the package holds no file %s; did you mean %s?", member, near)
	}
	return fmt.Errorf("the package holds no file %s, but %d others", member, len(names))
}
