package main

import (
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/klauspost/cpuid/v2"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"tlpipe/pipeline/exit"
	"tlpipe/savedmodels"
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name: "doctor", Usage: "show what this machine has: TensorFlow, Python with Keras, CPU, memory, disk",
		Flags: []cli.Flag{storeFlag()}, OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			table := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
			row := func(name, format string, args ...any) { fmt.Fprintf(table, name+"\t"+format+"\n", args...) }
			linked, runtimeErr := findLinked(nil)
			machine, err := linked.Machine("")
			if err != nil {
				return err
			}
			row("cpu", "%s, %d cores, TensorFlow uses %s", cpuid.CPU.BrandName, runtime.NumCPU(), machine.CPUClass)
			row("bfloat16", "%s", map[bool]string{true: "in hardware", false: "not in hardware; precision auto takes float32"}[machine.Host().BFloat16()])
			row("int8", "%s", map[bool]string{true: "in hardware (VNNI)", false: "not in hardware"}[machine.VNNI])
			row("memory", "%s", memory())
			row("disk", "%s", disk(c.String("store")))
			if runtimeErr != nil {
				row("libtensorflow", "%v", runtimeErr)
			} else {
				row("libtensorflow", "%s (%s)", linked.TensorFlow, linked.Library)
				row("device", "%s", strings.Join(append(linked.Devices, "cpu"), ", "))
			}
			python, pythonErr := savedmodels.NewExporter("", "", io.Discard).Versions(c.Context)
			if pythonErr != nil {
				row("python", "%v", pythonErr)
			} else {
				row("python", "%s", python)
			}
			if err := table.Flush(); err != nil {
				return err
			}
			if runtimeErr != nil || pythonErr != nil {
				return exit.Errorf(exit.NoRuntime, "something is missing; `make deps build` installs it under the clone")
			}
			return nil
		},
	}
}

func memory() string {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return err.Error()
	}
	unit := uint64(info.Unit)
	return fmt.Sprintf("%s, %s free", humanize.IBytes(uint64(info.Totalram)*unit), humanize.IBytes((uint64(info.Freeram)+uint64(info.Bufferram))*unit))
}

// disk is the space where the store is or would be.
func disk(dir string) string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err.Error()
	}
	free, err := freeDisk(dir)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s free for %s", humanize.IBytes(free), dir)
}

// freeDisk is the number of bytes that can be written to a folder that exists or, if not, would.
func freeDisk(dir string) (uint64, error) {
	for at := dir; ; at = filepath.Dir(at) {
		var fs unix.Statfs_t
		if err := unix.Statfs(at, &fs); err == nil {
			return fs.Bavail * uint64(fs.Bsize), nil
		} else if at == filepath.Dir(at) {
			return 0, err
		}
	}
}
