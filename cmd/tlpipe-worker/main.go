//go:build !notensorflow

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"tlpipe/pipeline"
	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
	"tlpipe/pipeline/worker"
	"tlpipe/savedmodels/tfruntime"
	"tlpipe/stages"
	"tlpipe/stages/machine"
	"tlpipe/stages/predict"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "info" {
		linked, err := info()
		if err == nil {
			err = json.NewEncoder(os.Stdout).Encode(linked)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(exit.Failed)
		}
		return
	}
	if len(os.Args) != 1 {
		fmt.Fprintln(os.Stderr, "tlpipe-worker is started by tlpipe; by hand only `tlpipe-worker info` makes sense")
		os.Exit(exit.Usage)
	}
	os.Exit(worker.Serve(identity(), run))
}

func run(ctx context.Context, req worker.Request, job *pipeline.Job, emit func(any) error) error {
	if req.Stage == predict.PredictName {
		return classify(ctx, req, emit)
	}
	var p stages.Payload
	if err := json.Unmarshal(req.Payload, &p); err != nil {
		return fmt.Errorf("the command and its worker do not fit together: %w; run `make build`", err)
	}
	is, err := own(p)
	if err == nil {
		err = p.Machine.Refuse(is)
	}
	if err != nil {
		return err
	}
	s, err := store.At(req.Store)
	if err != nil {
		return err
	}
	env, err := p.Env(tfruntime.New(), s)
	if err != nil {
		return err
	}
	for _, s := range stages.Pipeline(&p.Config, env) {
		if s.Name == req.Stage {
			return exit.FromErrno(s.Run(ctx, job)) // an error's kind does not cross to the command, its code does
		}
	}
	return exit.Errorf(exit.Usage, "the worker knows no stage %q; run `make build`", req.Stage)
}

// own is the machine that this process is to compute on. What it links it looks at only where that are other files than those
// by which the command told the build, and the GPUs only where one is to be used: both take time.
func own(p stages.Payload) (machine.Machine, error) {
	linked := machine.Linked{TensorFlow: tfruntime.New().Version(), Build: p.Machine.Build}
	if p.Library != identity().Library || p.Machine.Device != "cpu" {
		var err error
		if linked, err = info(); err != nil {
			return machine.Machine{}, err
		}
	}
	return linked.Machine(p.Machine.Device)
}

// classify is no stage: its answers are for whoever asks and go to no store.
func classify(ctx context.Context, req worker.Request, emit func(any) error) error {
	var p predict.PredictRequest
	if err := json.Unmarshal(req.Payload, &p); err != nil {
		return fmt.Errorf("the command and its worker do not fit together: %w; run `make build`", err)
	}
	linked, err := info()
	if err != nil {
		return err
	}
	machine, err := linked.Machine(p.Device)
	if err != nil {
		return err
	}
	return predict.Predict(ctx, tfruntime.New(), machine, p, func(answer predict.Prediction) error { return emit(answer) })
}

// info is what keys and `tlpipe doctor` need to know of the linked library.
func info() (machine.Linked, error) {
	files, err := libraries()
	if err != nil {
		return machine.Linked{}, err
	}
	linked := machine.Linked{TensorFlow: tfruntime.New().Version(), Identity: identity()}
	if linked.Build, err = buildOf(files); err != nil {
		return linked, err
	}
	if len(files) > 0 {
		linked.Library = files[0]
	}
	// Listing devices claims a GPU's memory, so it is done only where there can be one.
	if _, err := os.Stat("/dev/nvidiactl"); err == nil {
		devices, _ := tfruntime.Devices()
		for _, d := range devices {
			if strings.HasPrefix(d.Name, "gpu:") {
				linked.Devices, linked.Memory = append(linked.Devices, d.Name), append(linked.Memory, d.Memory)
			}
		}
	}
	return linked, nil
}
