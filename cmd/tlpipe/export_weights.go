package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"tlpipe/pipeline/exit"
	"tlpipe/savedmodels"
	"tlpipe/stages/predict"
)

func exportWeightsCommand() *cli.Command {
	return &cli.Command{
		Name: "export-weights", Usage: "write a trained model's weights for Keras", ArgsUsage: "MODEL FILE…",
		Description: "MODEL is the folder of a trained model, such as artifacts/latest/case4/fine-tune. FILE ends in .safetensors or\n" +
			".weights.h5 (the variables alone, by their Keras names; savedmodels/inkeras/load_weights.py builds the network\n" +
			"and loads them) or in .keras (for keras.saving.load_model). Python with Keras writes it.",
		OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			if c.NArg() < 2 {
				return exit.Errorf(exit.Usage, "expected a model and a file; try `tlpipe export-weights artifacts/latest/NAME/fine-tune weights.safetensors`")
			}
			model, files := c.Args().First(), c.Args().Tail()
			defer readModel(model).Unlock()
			if _, err := predict.OpenTrained(model); err != nil {
				return err
			}
			if err := intactModel(c.Context, model); err != nil {
				return err
			}
			if err := new(savedmodels.Exporter).ExportWeights(c.Context, model, files...); err != nil {
				return err
			}
			_, err := fmt.Fprintln(c.App.Writer, strings.Join(files, "\n"))
			return err
		},
	}
}
