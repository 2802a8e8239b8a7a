package main

import (
	"github.com/urfave/cli/v2"

	"tlpipe/pipeline"
	"tlpipe/pipeline/store"
)

func exportCommand() *cli.Command {
	return &cli.Command{
		Name: "export", Usage: "have Keras export a config's SavedModels, and stop before they are used", ArgsUsage: "CONFIG",
		Description: "The part that trains depends on the number of classes, so the data is fetched and decoded first.",
		Flags:       append(configFlags(), storeFlag(), waitFlag(), deviceFlag(), jsonFlag("print events as lines of JSON")), OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			usesNoModel := func(s pipeline.Stage) bool { return !s.Runtime || s.Name == "decode" }
			return runSelected(c, usesNoModel, pipeline.Options{Run: store.Run{Export: true}})
		},
	}
}
