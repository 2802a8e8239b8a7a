package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/progress"
	"tlpipe/pipeline/sanitize"
	"tlpipe/pipeline/worker"
	"tlpipe/savedmodels"
	"tlpipe/stages/predict"
)

func predictCommand() *cli.Command {
	return &cli.Command{
		Name: "predict", Usage: "classify images with a trained model", ArgsUsage: "MODEL IMAGES…",
		Description: "MODEL is the folder of a trained model, such as artifacts/latest/case4/fine-tune. IMAGES are files, folders\n" +
			"(all files in them and below) and patterns; after -- names may begin with a dash. Images are decoded, scaled\n" +
			"and cropped as those the model was trained on. An image that cannot be read is named on standard error, the\n" +
			"others are classified all the same, and the exit code is 1. A model is a program: one whose graph holds other\n" +
			"operations than those that models of images need is refused before it is loaded, with exit code 2.",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "top", Value: 1, Usage: "list the `K` most probable classes of each image"},
			jsonFlag("print a line of JSON for each image"),
			&cli.BoolFlag{Name: "csv", Usage: "print CSV: image, rank, class, probability"},
			&cli.IntFlag{Name: "threads", Usage: "`N` threads; by default as many as the model was trained with"},
			&cli.BoolFlag{Name: "calibrated", Usage: "scale how sure the model is by the temperature that was fitted on val; the order of the classes stays"},
			deviceFlag(),
			&cli.BoolFlag{Name: "trust", Usage: "load a model whose graph may read and write files, as far as you trust its maker"},
		},
		OnUsageError: usageError,
		Action:       classify,
	}
}

func classify(c *cli.Context) error {
	switch {
	case c.NArg() < 2:
		return exit.Errorf(exit.Usage, "expected a model and images; try `tlpipe predict artifacts/latest/NAME/fine-tune photos/`")
	case c.Int("top") < 1:
		return exit.Errorf(exit.Usage, "--top lists at least 1 class, received %d", c.Int("top"))
	case c.Int("threads") < 0:
		return exit.Errorf(exit.Usage, "--threads: expected at least 1, received %d", c.Int("threads"))
	case c.Bool("json") && c.Bool("csv"):
		return exit.Errorf(exit.Usage, "either --json or --csv")
	}
	model := c.Args().First()
	defer readModel(model).Unlock()
	trained, err := predict.OpenTrained(model)
	if err == nil && c.Bool("calibrated") {
		err = trained.CheckCalibrated(model)
	}
	if err == nil {
		err = intactModel(c.Context, model)
	}
	if err != nil {
		return err
	}
	failed := 0
	unreadable := func(path string, reason error) {
		failed++
		fmt.Fprintf(c.App.ErrWriter, "tlpipe: %s: %v\n", sanitize.Name(path), reason)
	}
	images := predict.ImageFiles(c.Args().Tail(), unreadable)
	if len(images) > 0 {
		out := newPredictionWriter(c, images, trained.Classes)
		req := predict.PredictRequest{Model: model, Top: c.Int("top"), Threads: c.Int("threads"), Device: c.String("device"), Trust: c.Bool("trust"), Calibrated: c.Bool("calibrated")}
		for _, path := range images {
			req.Images = append(req.Images, []byte(path))
		}
		err = askWorker(c.Context, predict.PredictName, req, func(p predict.Prediction) error {
			if p.Unreadable != "" {
				unreadable(images[p.Image], errors.New(p.Unreadable))
				return nil
			}
			return out.write(p)
		})
		if err = errors.Join(out.close(), err); err != nil {
			return err
		}
	} else if failed == 0 {
		return exit.Errorf(exit.Failed, "no images in %s", strings.Join(c.Args().Tail(), ", "))
	}
	if failed > 0 {
		return exit.Errorf(exit.Failed, "%s could not be read", counted(failed, "image"))
	}
	return nil
}

// askWorker has the worker do what is no stage, and hands on what it answers. What it prints goes to a log, which stays
// only if an error names it.
func askWorker[T any](ctx context.Context, name string, request any, answer func(T) error) error {
	payload, err := json.Marshal(request)
	if err != nil {
		return err
	}
	path, err := workerPath()
	if err != nil {
		return err
	}
	log, err := os.CreateTemp("", "tlpipe-"+name+"-*.log")
	if err != nil { // no place for files: it is kept in memory, and what matters of it is in the error
		fd, failed := unix.MemfdCreate("tlpipe-"+name, unix.MFD_CLOEXEC)
		if failed != nil {
			return err
		}
		log = os.NewFile(uintptr(fd), "not kept, as no file can be made in "+os.TempDir())
	}
	client := worker.Client{Path: path, NoMemory: savedmodels.NoMemory(), Log: log, Want: worker.Identity{Build: worker.Build()}, Output: func(text json.RawMessage) error {
		var value T
		if err := json.Unmarshal(text, &value); err != nil {
			return fmt.Errorf("the command and its worker do not fit together: %w; run `make build`", err)
		}
		return answer(value)
	}}
	_, err = client.Run(ctx, worker.Request{Stage: name, Payload: payload}, progress.Discard{})
	log.Close()
	if err == nil || !strings.Contains(err.Error(), filepath.Base(log.Name())) {
		os.Remove(log.Name())
	}
	return err
}

// counted is a number with its noun: 1 image, 2 images.
func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprint(n, " ", noun)
}
