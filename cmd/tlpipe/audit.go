package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2"
	"github.com/urfave/cli/v2"

	"tlpipe/pipeline"
	"tlpipe/pipeline/exit"
	"tlpipe/pipeline/store"
	"tlpipe/report/runpage"
	"tlpipe/report/runs"
	"tlpipe/stages/audit"
	"tlpipe/stages/formats"
)

func auditCommand() *cli.Command {
	return &cli.Command{
		Name: "audit", Usage: "look for wrong labels, pictures that occur twice, and bad pictures, before anything is trained", ArgsUsage: "CONFIG",
		Description: "Runs what is missing up to featurize and looks at the data set and its features. What is found is printed, shown as\n" +
			"pictures in audit.html and listed in audit.csv, beside the log of the run or in the folder that --out names. Write\n" +
			"yes into the column drop of audit.csv to leave an image out, and give the file to run by --drop.",
		Flags: append(configFlags(), storeFlag(), waitFlag(), deviceFlag(),
			&cli.StringFlag{Name: "out", TakesFile: true, Usage: "write audit.csv, audit.html and audit.json into `DIR`"}),
		OnUsageError: usageError,
		Action:       auditData,
	}
}

// lastAudited is the stage after which the data is looked at.
const lastAudited = "featurize"

func auditData(c *cli.Context) error {
	cfg, err := loadConfig(c)
	if err != nil {
		return err
	}
	if cfg.Stages.Normalize == nil {
		return exit.Errorf(exit.Usage, "the config has no stage normalize, so there is no data set to look at")
	}
	until := lastAudited
	if cfg.Stages.Featurize == nil {
		until = "normalize"
	}
	out := c.String("out")
	if out != "" {
		if err := os.MkdirAll(out, 0o777); err != nil {
			return exit.Errorf(exit.Usage, "--out %s: %w", out, err)
		}
	}
	in, run, err := auditInputs(c, cfg, until)
	if err != nil {
		return err
	}
	if in == nil || run == "" {
		all := func(list []pipeline.Stage) []pipeline.Stage { return list }
		if err := runSelected(c, all, pipeline.Options{Until: until}); err != nil {
			return err
		}
		fmt.Fprintln(c.App.Writer)
		if in, run, err = auditInputs(c, cfg, until); err != nil {
			return err
		}
		if in == nil || run == "" {
			return fmt.Errorf("the store changed while the data was looked at; try again")
		}
	}
	s, err := store.OpenExisting(c.String("store"))
	if err != nil {
		return err
	}
	defer s.Read().Unlock()
	for _, kind := range []string{formats.ImagesType, formats.DatasetType, formats.FeaturesType} {
		if a, ok := in[kind]; ok {
			if damages, err := s.Intact(c.Context, a.ID); err != nil {
				return err
			} else if len(damages) > 0 {
				return exit.Errorf(exit.Damaged, "%s; `tlpipe verify --repair` drops it, and the next run makes it again", damages[0])
			}
		}
	}
	if out == "" {
		out = s.RunDir(run)
	}
	return auditArtifacts(c, cfg, in, out)
}

// auditInputs gives what is to be looked at and the newest run of the config; nil where a stage has yet to run, "" where
// there is no run.
func auditInputs(c *cli.Context, cfg loaded, until string) (pipeline.Inputs, string, error) {
	s, err := store.OpenExisting(c.String("store"))
	if err != nil {
		return nil, "", nil // run makes the store, or says what is wrong with it
	}
	defer s.Read().Unlock()
	e, err := readExperiment(c)
	if err != nil {
		return nil, "", err
	}
	steps, err := e.pipeline.Plan(c.Context)
	if err != nil {
		return nil, "", err
	}
	if err := pipeline.Damaged(steps); err != nil {
		return nil, "", err
	}
	in := pipeline.Inputs{}
	for _, step := range steps {
		if step.Status == pipeline.Cached {
			in[step.Stage.Gives] = step.Artifact
		}
	}
	last := formats.FeaturesType
	if until != lastAudited {
		last = formats.DatasetType
	}
	for _, kind := range []string{formats.ImagesType, formats.DatasetType, last} {
		if _, ok := in[kind]; !ok {
			return nil, "", nil
		}
	}
	ids, err := s.Runs()
	if err != nil {
		return nil, "", err
	}
	for _, id := range slices.Backward(slices.Sorted(slices.Values(ids))) {
		if stored, err := runs.Read(s, id); err == nil && stored.Name() == cfg.Name {
			return in, id, nil
		}
	}
	return in, "", nil
}

// auditArtifacts looks at the data and writes what is found into dir.
func auditArtifacts(c *cli.Context, cfg loaded, in pipeline.Inputs, dir string) (err error) {
	var d audit.Data
	if d.Images, err = formats.OpenImages(in[formats.ImagesType].Dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Images.Close()) }()
	if d.Dataset, err = formats.OpenDataset(in[formats.DatasetType].Dir); err != nil {
		return err
	}
	if d.Samples, err = d.Images.Samples(); err != nil {
		return err
	}
	if d.Aside, err = readAside(in[formats.ImagesType].Dir); err != nil {
		return err
	}
	if features, ok := in[formats.FeaturesType]; ok {
		if d.Features, err = formats.OpenFeatures(features.Dir); err != nil {
			return err
		}
		if d.Features != nil {
			defer func() { err = errors.Join(err, d.Features.Close()) }()
		}
	}
	var unread string
	if archive, ok := in[formats.ArchiveType]; ok && cfg.Stages.Decode.Format == "image-folder" {
		if d.Files, err = auditFiles(c.Context, archive, in[formats.ImagesType].Dir, d.Samples); err != nil {
			if c.Context.Err() != nil {
				return err
			}
			d.Files, unread = nil, fmt.Sprintf("the files of the pictures could not be read again, so their sizes, shapes and transparency were not looked at: %v", err)
		}
	}
	result, err := audit.Run(c.Context, d, nil)
	if err != nil {
		return err
	}
	if unread != "" {
		result.Notes = append(result.Notes, unread)
	}
	table, err := formats.EncodeAudit(result.Rows())
	if err != nil {
		return err
	}
	saved := result.Save()
	saved.Dataset, saved.Features = in[formats.DatasetType].ID, in[formats.FeaturesType].ID
	page, err := runpage.AuditPage(cfg.Name, d.Images, d.Dataset, saved)
	if err != nil {
		return err
	}
	for _, file := range []struct {
		name string
		text []byte
	}{{audit.TableFile, table}, {audit.PageFile, page}} {
		if err := renameio.WriteFile(filepath.Join(dir, file.name), file.text, 0o644); err != nil {
			return exit.FromErrno(err)
		}
	}
	if err := saved.Write(dir); err != nil {
		return exit.FromErrno(err)
	}
	printAudit(c.App.Writer, cfg.Name, saved)
	fmt.Fprintf(c.App.Writer, "\nlook at %s\n", fromHere(filepath.Join(dir, audit.PageFile)))
	if len(saved.Findings) > 0 {
		fmt.Fprintf(c.App.Writer, "to leave images out, write yes into the column drop of %s and run with --drop %[1]s\n", fromHere(filepath.Join(dir, audit.TableFile)))
	}
	return nil
}

func readAside(dir string) ([]formats.Rejected, error) {
	f, err := os.Open(filepath.Join(dir, formats.RejectedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	return formats.ReadJSONLines[formats.Rejected](f)
}

// auditFiles reads the headers of the pictures' files again; what is unpacked for it goes with the command.
func auditFiles(ctx context.Context, archive store.Artifact, images string, samples []formats.Sample) ([]audit.File, error) {
	info, err := formats.ReadImagesInfo(images)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Join(archive.Dir, formats.ArchiveFolder))
	if err != nil {
		return nil, err
	}
	if len(entries) != 1 {
		return nil, fmt.Errorf("expected one archive, found %d files", len(entries))
	}
	scratch, err := os.MkdirTemp("", "tlpipe-audit-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(scratch)
	return audit.ReadFiles(ctx, filepath.Join(archive.Dir, formats.ArchiveFolder, entries[0].Name()), scratch, samples, info.Transparent > 0)
}
