package decode

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"tlpipe/stages/formats"
	"tlpipe/stages/imagefile"
)

// Settings turns files into uint8 arrays.
type Settings struct {
	Format      string               `yaml:"format" jsonschema:"enum=image-folder,enum=cifar10,enum=cifar100,enum=idx" jsonschema_description:"image-folder: SPLIT/CLASS/FILE; cifar10, cifar100: the binary or python archives; idx: the MNIST family"`
	Splits      map[string]string    `yaml:"splits" jsonschema_description:"image-folder: which folder is train, which val and which test, as in {train: train, val: val, test: test}; by default train or training, val, valid or validation, and test or testing, in any case of letters; {train: .} takes a folder of classes without splits, as is done by default where there is no folder train and all folders hold pictures"`
	Exclude     []string             `yaml:"exclude" jsonschema_description:"file names or patterns (as in .gitignore, without ** and !) that are left out"`
	Size        int                  `yaml:"size" jsonschema:"minimum=0,maximum=4096" jsonschema_description:"the shorter side is scaled to this, then the centre square is cut out; 0 keeps the size, which then must be the same for all"`
	Resize      string               `yaml:"resize" jsonschema:"enum=antialias,enum=bilinear" jsonschema_description:"how images are scaled to size: antialias as torchvision's Resize and CenterCrop, bilinear as Keras' image_dataset_from_directory with crop_to_aspect_ratio"`
	Background  imagefile.Background `yaml:"background"`
	MaxRejected float64              `yaml:"max_rejected" inert:"true" jsonschema:"minimum=0,maximum=1" jsonschema_description:"share of images that may be unreadable before the stage fails"`
	ClassNames  []string             `yaml:"class_names" jsonschema_description:"idx: names of the labels 0, 1, …; or, where labels are left out, of those that occur, in their order"`
	Workers     int                  `yaml:"workers" inert:"true" jsonschema:"minimum=0,maximum=256" jsonschema_description:"images decoded at a time; 0: one for each CPU"`
}

// Problems reports what the types and ranges of single settings cannot say.
func (s *Settings) Problems(report func(path, format string, args ...any)) {
	const at = "stages.decode."
	if s.Format != "image-folder" {
		if len(s.Splits) > 0 {
			report(at+"splits", "format %s has its own splits; remove this setting", s.Format)
		}
		if len(s.Exclude) > 0 {
			report(at+"exclude", "format %s has no files to leave out; remove this setting", s.Format)
		}
		if s.Background != nil {
			report(at+"background", "format %s has no transparent pixels; remove this setting", s.Format)
		}
	}
	if s.Size == 0 && s.Resize == string(imagefile.Bilinear) {
		report(at+"resize", "nothing is scaled: set decode.size, or remove this setting")
	}
	if s.Format != "idx" && len(s.ClassNames) > 0 {
		report(at+"class_names", "format %s names its classes itself; remove this setting", s.Format)
	}
	seen := map[string]bool{}
	for i, name := range s.ClassNames {
		name = formats.ClassName(name)
		if name == "" || seen[name] {
			report(fmt.Sprintf("%sclass_names[%d]", at, i), "class name %q is empty or occurs twice", name)
		}
		seen[name] = true
	}
	for i, pattern := range s.Exclude {
		if problem := patternProblem(pattern); problem != "" {
			report(fmt.Sprintf("%sexclude[%d]", at, i), "%s", problem)
		}
	}
	if s.Format == "image-folder" {
		s.splitProblems(report)
	}
}

func (s *Settings) splitProblems(report func(path, format string, args ...any)) {
	folders := map[string]string{}
	for _, split := range slices.Sorted(maps.Keys(s.Splits)) {
		folder, at := s.Splits[split], "stages.decode.splits."+split
		clean := path.Clean(formats.ClassName(folder))
		switch {
		case !slices.Contains(formats.Splits[:], split):
			hint := ""
			if usual := usualSplits[strings.ToLower(split)]; usual != "" {
				hint = fmt.Sprintf("; did you mean %s: %s?", usual, folder)
			}
			report(at, "unknown split %q; expected train, val or test%s", split, hint)
		case folder == "" || path.IsAbs(folder) || clean == ".." || strings.HasPrefix(clean, "../"):
			report(at, "%q is not a folder inside the archive", folder)
		case clean == "." && len(s.Splits) > 1:
			report(at, "the whole archive is the split %s, so it must be the only one", split)
		case folders[clean] != "":
			report(at, "the splits %s and %s are the same folder %q", folders[clean], split, folder)
		case within(clean, folders) != "":
			report(at, "the folders of the splits %s and %s lie one in the other", within(clean, folders), split)
		}
		folders[clean] = split
	}
	if _, ok := s.Splits["train"]; len(s.Splits) > 0 && !ok {
		report("stages.decode.splits", "no folder for train; say which one it is, as in {train: train, test: val}")
	}
}

// within gives the split whose folder lies in folder, or around it; "" if there is none.
func within(folder string, splits map[string]string) string {
	for _, other := range slices.Sorted(maps.Keys(splits)) {
		_, inside := below(other, folder)
		_, around := below(folder, other)
		if other != "." && folder != "." && (inside || around) {
			return splits[other]
		}
	}
	return ""
}

// Defaults are the settings of a config that says nothing of decode.
func Defaults() *Settings {
	return &Settings{Format: "image-folder", Resize: "antialias", MaxRejected: 0.01}
}
