package main

import (
	"slices"

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
			return runSelected(c, withoutModel, pipeline.Options{Run: store.Run{Export: true}})
		},
	}
}

// withoutModel are the stages of a list that use no exported model, nor anything made with one.
func withoutModel(list []pipeline.Stage) (stages []pipeline.Stage) {
	made := map[string]bool{} // types of artifacts: models, and what is made with them
	for _, s := range list {
		uses := slices.ContainsFunc(s.Takes, func(taken string) bool { return made[taken] })
		made[s.Gives] = s.Auxiliary || uses
		if !uses {
			stages = append(stages, s)
		}
	}
	return stages
}
