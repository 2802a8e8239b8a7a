package pipeline

import (
	"slices"
	"testing"

	"tlpipe/pipeline/store"
)

func TestDifferencesInsideObjects(t *testing.T) {
	was := []store.Line{{Name: "model", Value: `{"input":[32,32],"head":{"units":[],"dropout":0},"old":1}`}, {Name: "seed", Value: "1"}}
	now := []store.Line{{Name: "model", Value: `{"input":[32,32],"head":{"units":[64],"dropout":0},"taps":["fc1"]}`}, {Name: "seed", Value: "2"}}
	var got []string
	for _, d := range Differences(was, now) {
		got = append(got, d.String())
	}
	want := []string{"model.head.units: [] → [64]", "model.old: gone, was 1", `model.taps: new, ["fc1"]`, "seed: 1 → 2"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
