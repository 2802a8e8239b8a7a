package main

import (
	"github.com/urfave/cli/v2"

	"tlpipe/pipeline/config"
	"tlpipe/stages"
)

func schemaCommand() *cli.Command {
	return &cli.Command{
		Name: "schema", Usage: "print the JSON Schema of a config, for editors", OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			text, err := config.Schema(stages.Defaults)
			if err != nil {
				return err
			}
			_, err = c.App.Writer.Write(append(text, '\n'))
			return err
		},
	}
}
