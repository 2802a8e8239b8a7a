package stagetest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"tlpipe/pipeline/store"
	"tlpipe/stages/formats"
)

// The data set of these tests: three classes whose images differ in brightness and stripes, with noise.
const (
	TrainImages = 30 // images a class
	TestImages  = 8
	ImageSide   = 6
)

// WriteImages makes an artifact of type images. The last test image equals the first training image.
func WriteImages(t *testing.T, channels int) store.Artifact {
	t.Helper()
	dir := t.TempDir()
	classes := []string{"dark", "bright", "striped"}
	const perClass = TrainImages + TestImages
	count := len(classes) * perClass
	size := ImageSide * ImageSide * channels
	var pixels []byte
	var labels []int32
	var samples []formats.Sample
	for row := range count {
		class, split := row%len(classes), formats.Train
		if row/len(classes) >= TrainImages {
			split = formats.Test
		}
		noise := sha256.Sum256(fmt.Appendf(nil, "%d", row))
		for p := range size {
			v := []int{60, 180, 60 + 120*(p/channels%2)}[class]
			pixels = append(pixels, byte(v+int(noise[p%32])/4-32))
		}
		labels = append(labels, int32(class))
		samples = append(samples, formats.Sample{Path: fmt.Sprintf("%s/%s/%d.png", split, classes[class], row), Split: split, Class: classes[class]})
	}
	copy(pixels[(count-1)*size:], pixels[:size])
	const shard = 50
	info := formats.ImagesInfo{Count: count, Shape: [3]int{ImageSide, ImageSide, channels}, ShardSize: shard, Classes: classes, Decoder: "test"}
	errs := []error{
		formats.WriteJSON(filepath.Join(dir, "images.json"), info),
		formats.WriteInt32s(filepath.Join(dir, "labels.npy"), labels),
		formats.WriteJSONLines(filepath.Join(dir, "samples.jsonl"), slices.Values(samples)),
	}
	for first := 0; first < count; first += shard {
		end := min(first+shard, count)
		errs = append(errs, formats.WriteArray(filepath.Join(dir, formats.ShardName("images", first/shard)), "|u1",
			[]int{end - first, ImageSide, ImageSide, channels}, pixels[first*size:end*size]))
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return ArtifactOf(t, formats.ImagesType, dir)
}
