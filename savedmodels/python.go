package savedmodels

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"tlpipe/pipeline/environment"
	"tlpipe/pipeline/exit"
)

// FindPython returns the path of a Python that has Keras and TensorFlow: that in .deps beside the folder of this program, else
// python3 on PATH. If there is none, the error has the exit code NoRuntime.
func FindPython(ctx context.Context) (string, error) {
	if self, err := os.Executable(); err == nil {
		if self, err = filepath.EvalSymlinks(self); err == nil {
			python := filepath.Join(filepath.Dir(self), "..", ".deps", "bin", "python")
			if _, err := os.Stat(python); err == nil {
				return filepath.Clean(python), nil
			}
		}
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		return "", exit.Errorf(exit.NoRuntime, "no Python with Keras was found, and an export needs it; run `make deps`")
	}
	const test = `import importlib.util as u, sys; sys.exit(any(u.find_spec(m) is None for m in ("keras", "tensorflow")))`
	if err := quick(ctx, python, test).Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", exit.Errorf(exit.NoRuntime, "%s has no Keras with TensorFlow, and an export needs it; run `make deps`", python)
	}
	return python, nil
}

// Versions describes in one line for users which Python an export would use, and its packages.
func (e *Exporter) Versions(ctx context.Context) (string, error) {
	python, err := e.findPython(ctx)
	if err != nil {
		return "", err
	}
	const list = `
import importlib.metadata as m, platform
found = {d.metadata["Name"].lower().replace("_", "-"): d.version for d in m.distributions()}
names = ["keras"] + sorted(n for n in found if n in ("tensorflow", "tensorflow-cpu", "tensorflow-gpu"))
print(", ".join(["Python " + platform.python_version()] + [f"{n} {found.get(n, 'is missing')}" for n in names]))`
	text, err := quick(ctx, python, list).Output()
	if err != nil {
		return "", exit.Errorf(exit.NoRuntime, "%s does not run: %w; run `make deps`", python, err)
	}
	return fmt.Sprintf("%s (%s)", strings.TrimSpace(string(text)), python), nil
}

func (e *Exporter) findPython(ctx context.Context) (string, error) {
	if e.Python != "" {
		return e.Python, nil
	}
	return FindPython(ctx)
}

// quick runs a line of Python as exports run theirs: with nothing of the user's own but what is installed.
func quick(ctx context.Context, python, code string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, python, "-s", "-c", code)
	cmd.Env = environment.Python()
	return cmd
}
