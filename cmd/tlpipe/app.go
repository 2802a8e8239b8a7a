package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"tlpipe/pipeline/exit"
)

// app lists the commands, one file each.
func app(stdout, stderr io.Writer) *cli.App {
	return &cli.App{
		Name:  "tlpipe",
		Usage: "transfer learning on images as a batch pipeline",
		Description: "Runs the stages of a YAML config: fetch, decode, normalize, featurize, fine-tune, evaluate.\n" +
			"Each stage leaves an artifact in the store (--store, by default artifacts/ here). What is stored is not done\n" +
			"again, and what was stopped continues.\n" +
			"Exit codes: " + exit.Summary,
		Writer:                    stdout,
		ErrWriter:                 stderr,
		EnableBashCompletion:      true,
		Suggest:                   true,
		DisableSliceFlagSeparator: true, // --set 'gates={a: 1, b: 2}' is one value
		HideVersion:               true,
		Commands: []*cli.Command{
			runCommand(), planCommand(), statusCommand(), explainCommand(), lintCommand(), schemaCommand(), exportCommand(),
			predictCommand(), exportWeightsCommand(), auditCommand(), compareCommand(), reportCommand(), verifyCommand(), gcCommand(), tagCommand(), unlockCommand(), doctorCommand(), completionCommand(),
		},
		CommandNotFound: func(c *cli.Context, name string) {},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return unknownCommand(c)
			}
			return cli.ShowAppHelp(c)
		},
		OnUsageError:   usageError,
		ExitErrHandler: func(*cli.Context, error) {}, // main decides
	}
}

func usageError(c *cli.Context, err error, _ bool) error {
	name := "tlpipe"
	if c.Command != nil && c.Command.Name != "" && c.Command.Name != "tlpipe" {
		name += " " + c.Command.Name
	}
	return exit.Errorf(exit.Usage, "%w; `%s --help` lists what there is", err, name)
}

func unknownCommand(c *cli.Context) error {
	name := c.Args().First()
	hint := ""
	if near := cli.SuggestCommand(c.App.Commands, name); near != "" {
		hint = "; " + strings.ToLower(near[:1]) + near[1:] // a whole sentence
	}
	if strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml") {
		hint = fmt.Sprintf("; did you mean `tlpipe run %s`?", name)
	}
	return exit.Errorf(exit.Usage, "there is no command %q%s", name, hint)
}

// The flags that several commands share.
var (
	storeFlag = func() cli.Flag {
		return &cli.StringFlag{Name: "store", Value: "artifacts", TakesFile: true, Usage: "`DIR` where artifacts live"}
	}
	configFlags = func() []cli.Flag {
		return []cli.Flag{
			&cli.StringSliceFlag{Name: "file", Aliases: []string{"f"}, TakesFile: true, Usage: "config `FILE`; several are merged, later ones win"},
			&cli.StringSliceFlag{Name: "set", Usage: "override a setting: `STAGE.KEY=VALUE`, such as fine-tune.epochs=3"},
			&cli.StringFlag{Name: "drop", TakesFile: true, Usage: "leave out the images marked in `FILE`, an edited audit.csv; short for --set normalize.drop=FILE"},
		}
	}
	deviceFlag = func() cli.Flag {
		return &cli.StringFlag{Name: "device", Usage: "`DEVICE` that models run on: cpu or gpu:N; by default the first GPU, or the CPU where there is none"}
	}
	jsonFlag = func(usage string) cli.Flag { return &cli.BoolFlag{Name: "json", Usage: usage} }
)
