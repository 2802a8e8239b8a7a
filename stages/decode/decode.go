package decode

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"tlpipe/pipeline"
	"tlpipe/pipeline/store"
	"tlpipe/stages/archivefs"
	"tlpipe/stages/formats"
	"tlpipe/stages/imagefile"
	"tlpipe/stages/key"
	"tlpipe/stages/machine"
	"tlpipe/stages/wording"
)

// Stage turns the files of an archive into uint8 arrays. Rows come in an order of their own, not the archive's:
// train, val and test one after the other, within each by class and path (image-folder) or as the data set numbers them. Image files are
// decoded in the worker, for JPEG with TensorFlow's decoder: it equals Pillow's and takes a third of the time of Go's,
// which stands in where there is no TensorFlow.
func Stage(s *Settings, env machine.Resources) pipeline.Stage {
	tensorflow := s.Format == "image-folder" && env.Machine.TensorFlow != ""
	decoder := imagefile.Version()
	if tensorflow {
		decoder += ", JPEG by TensorFlow " + env.Machine.TensorFlow
	}
	return pipeline.Stage{
		Name:    "decode",
		Version: 4,
		Takes:   []string{"archive"},
		Gives:   "images",
		Worker:  tensorflow,
		Key: func(_ context.Context, in pipeline.Inputs) ([]store.Line, error) {
			lines, err := key.Settings(s)
			if err != nil {
				return nil, err
			}
			lines = append(lines,
				store.Line{Name: "archive", Value: in["archive"].Identity},
				store.Line{Name: "decoder", Value: decoder})
			if tensorflow {
				lines = append(lines, store.Line{Name: "tensorflow_build", Value: env.Machine.Build})
			}
			return lines, nil
		},
		Run: func(ctx context.Context, job *pipeline.Job) error {
			opts := imagefile.Options{Size: s.Size, Resize: imagefile.Resize(s.Resize), Background: s.Background.Color(), Room: imagefile.NewRoom()}
			if tensorflow {
				jpeg, err := machine.JPEGDecoder(env.Runtime, opts)
				if err != nil {
					return err
				}
				opts.JPEG = jpeg
			}
			return s.run(ctx, job, opts, decoder)
		},
		Check: s.check,
	}
}

// check holds a stored data set to max_rejected, which is in no key: it may have been made with another.
func (s *Settings) check(a store.Artifact) error {
	info, err := formats.ReadImagesInfo(a.Dir)
	if err != nil || info.Rejected == 0 {
		return err
	}
	list := filepath.Join(a.Dir, formats.RejectedFile)
	f, err := os.Open(list)
	if err != nil {
		return err
	}
	defer f.Close()
	rejected, err := formats.ReadJSONLines[formats.Rejected](f)
	if err != nil {
		return err
	}
	if err := tooMany(rejected, info.Count+info.Rejected, s.MaxRejected); err != nil {
		return withList(err, len(rejected), list)
	}
	return nil
}

func (s *Settings) run(ctx context.Context, job *pipeline.Job, opts imagefile.Options, decoder string) error {
	src, err := s.open(ctx, job, opts)
	if err != nil {
		return err
	}
	defer src.close()
	defer collectSoon()()
	for _, note := range src.notes {
		job.Progress.Warnf("%s", note)
	}
	d := &decoding{
		src: src, decoder: decoder, background: s.Background, maxRejected: s.MaxRejected,
		workers: cmp.Or(s.Workers, runtime.NumCPU()),
	}
	if s.Size > 0 {
		d.resize = s.Resize
	}
	return d.division().Run(ctx, job)
}

// item is an image of a data set, before it is decoded.
type imageItem struct {
	path  string
	split string // train, val or test
	class int32
}

// picture is a decoded image: uint8 pixels of shape height, width, channels.
type picture struct {
	shape       [3]int
	pix         []byte
	transparent bool // whether its file has pixels that are not opaque
}

// imageSource is a data set before it is decoded, its items in row order.
type imageSource struct {
	classes []string
	items   []imageItem
	notes   []string
	// read reads as many items as there is room for, beginning with from, scaled to size; it may use the memory of the
	// pictures that are there. It may be called from several goroutines.
	read  func(from int, results []readResult)
	close func() error
}

// oneByOne reads items that are in memory already.
func oneByOne(read func(i int) picture) func(from int, results []readResult) {
	return func(from int, results []readResult) {
		for i := range results {
			results[i] = readResult{picture: read(from + i)}
		}
	}
}

// open finds the images in the fetched files.
func (s *Settings) open(ctx context.Context, job *pipeline.Job, opts imagefile.Options) (*imageSource, error) {
	dir := filepath.Join(job.Inputs["archive"].Dir, "files")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if s.Format == "idx" {
		src, err := openIDX(dir, entries, s, opts)
		if err == nil {
			err = src.settleClasses()
		}
		return src, err
	}
	if len(entries) != 1 {
		return nil, fmt.Errorf("format %s takes one archive, fetch gave %d files", s.Format, len(entries))
	}
	archive, err := archivefs.Open(ctx, filepath.Join(dir, entries[0].Name()), job.Scratch)
	if err != nil {
		return nil, err
	}
	defer collectSoon()()
	var src *imageSource
	switch s.Format {
	case "image-folder":
		src, err = openFolder(archive, s, opts)
	case "cifar10", "cifar100":
		src, err = openCIFAR(archive, s, opts)
	default:
		err = fmt.Errorf("unknown format %q", s.Format)
	}
	if err == nil {
		err = src.settleClasses()
	}
	if n := len(archive.Skipped); err != nil && n > 0 {
		err = fmt.Errorf("%w\n%d %s left out, such as %q; if those are the images, pack them again with names that are relative to their folder", err, n, wording.Plural(n, "device or unsafe name in the archive is", "devices or unsafe names in the archive are"), archive.Skipped[0])
	}
	if err != nil {
		return nil, errors.Join(err, archive.Close())
	}
	note := func(names []string, one, many string) {
		if n := len(names); n > 0 {
			src.notes = append(src.notes, fmt.Sprintf("%d %s, such as %q", n, wording.Plural(n, one, many), names[0]))
		}
	}
	note(archive.Skipped, "device or unsafe name in the archive is left out", "devices or unsafe names in the archive are left out")
	repeated := slices.DeleteFunc(slices.Clone(archive.Repeated), archivefs.Junk)
	note(repeated, "name stands in the archive more than once: the last file of that name counts, as where it is unpacked",
		"names stand in the archive more than once: the last file of each name counts, as where it is unpacked")
	note(archive.Recoded, "name in the zip does not say its encoding and is read in that of DOS (CP437); where that is wrong, pack it again with names in UTF-8",
		"names in the zip do not say their encoding and are read in that of DOS (CP437); where that is wrong, pack it again with names in UTF-8")
	note(archive.Dangling, "link in the archive leads to nothing in it and cannot be read", "links in the archive lead to nothing in it and cannot be read")
	note(archive.Circular, "link in the archive leads to a folder that it lies in and is not followed", "links in the archive lead to a folder that they lie in and are not followed")
	return src, nil
}

// scaled brings the pixels of a data set without files to a size; 0 keeps them.
func scaled(p picture, opts imagefile.Options) picture {
	size := opts.Size
	if size == 0 || (p.shape[0] == size && p.shape[1] == size) {
		return p
	}
	pix := imagefile.Scale(p.pix, p.shape[0], p.shape[1], p.shape[2], opts)
	return picture{shape: [3]int{size, size, p.shape[2]}, pix: pix}
}
