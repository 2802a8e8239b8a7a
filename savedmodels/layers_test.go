package savedmodels

import (
	"slices"
	"strings"
	"testing"
)

func TestLayers(t *testing.T) {
	for backbone, want := range map[string]int{"vgg16": 20, "vgg19": 23, "resnet50": 0} {
		if got := Layers(backbone); len(got) != want {
			t.Errorf("%s: %d layers, expected %d", backbone, len(got), want)
		}
	}
	for name, want := range map[string]string{
		"block5_pool":  "",
		"block6_pool":  `unknown layer "block6_pool" of vgg16; did you mean block5_pool?`,
		"block3_conv4": `unknown layer "block3_conv4" of vgg16; did you mean block3_conv3?`,
		"fc1":          "",
		"fc2":          "",
		"fc3":          `unknown layer "fc3" of vgg16; did you mean fc2?`,
		"predictions":  `unknown layer "predictions" of vgg16; its layers are block1_conv1, `,
	} {
		err := CheckLayer("vgg16", name)
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, expected %s", name, err, want)
		}
	}
}

// TestFurtherArchitecture has an entry of architectures.json that is not there.
func TestFurtherArchitecture(t *testing.T) {
	got := architecture{Blocks: [][]int{{8}, {16, 16}}, Positions: 3, FC: []int{32}}.layers()
	want := []Layer{
		{"block1_conv1", 1, 1, 8, true}, {"block1_pool", 1, 2, 8, false},
		{"block2_conv1", 2, 2, 16, true}, {"block2_conv2", 2, 2, 16, true}, {"block2_pool", 2, 4, 16, false},
		{"fc1", 3, 0, 32, true},
	}
	if !slices.Equal(got, want) {
		t.Errorf("received %v, expected %v", got, want)
	}
}

func TestFeatureSize(t *testing.T) {
	for _, c := range []struct {
		name    string
		input   [2]int
		taps    []string
		freeze  string
		pooling string
		want    int
		cut     string
		err     string
	}{
		{"all frozen", [2]int{224, 224}, []string{"block5_pool"}, "block5_pool", "avg", 512, "block5_pool", ""},
		{"flattened", [2]int{224, 224}, []string{"block5_pool"}, "block5_pool", "none", 25088, "block5_pool", ""},
		{"several taps", [2]int{64, 64}, []string{"block3_pool", "block4_pool", "block5_pool"}, "block5_pool", "avg", 1280, "block5_pool", ""},
		{"odd size", [2]int{50, 33}, []string{"block2_pool"}, "block2_pool", "none", 12 * 8 * 128, "block2_pool", ""},
		{"partial", [2]int{32, 32}, []string{"block5_pool"}, "block4_pool", "avg", 2 * 2 * 512, "block4_pool", ""},
		{"partial, a tap before the cut", [2]int{32, 32}, []string{"block2_pool", "block5_pool"}, "block4_pool", "avg", 128 + 2*2*512, "block4_pool", ""},
		{"partial, a tap at the cut", [2]int{32, 32}, []string{"block4_pool", "block5_pool"}, "block4_pool", "avg", 2 * 2 * 512, "block4_pool", ""},
		{"pooling joins the frozen side", [2]int{32, 32}, []string{"block5_pool"}, "block4_conv3", "avg", 2 * 2 * 512, "block4_pool", ""},
		{"all frozen by pooling", [2]int{32, 32}, []string{"block5_pool"}, "block5_conv3", "avg", 512, "block5_pool", ""},
		{"cut at a convolution", [2]int{32, 32}, []string{"block5_pool"}, "block5_conv2", "avg", 2 * 2 * 512, "block5_conv2", ""},
		{"last tap is a convolution", [2]int{32, 32}, []string{"block5_conv3"}, "block5_conv3", "max", 512, "block5_conv3", ""},
		{"all frozen, FC layers", [2]int{32, 32}, []string{"fc2"}, "fc2", "none", 4096, "fc2", ""},
		{"all frozen, a block beside an FC layer", [2]int{64, 64}, []string{"block4_pool", "fc1"}, "fc1", "avg", 512 + 4096, "fc1", ""},
		{"cut between FC layers", [2]int{250, 250}, []string{"fc2"}, "fc1", "none", 4096, "fc1", ""},
		{"cut before the FC layers", [2]int{64, 64}, []string{"fc2"}, "block5_conv3", "none", 2 * 2 * 512, "block5_pool", ""},
		{"a tap before a cut between FC layers", [2]int{64, 64}, []string{"block5_pool", "fc2"}, "fc1", "none", 2*2*512 + 4096, "fc1", ""},
		{"FC layers, nothing frozen", [2]int{32, 32}, []string{"fc1"}, "none", "none", 0, "none", ""},
		{"frozen behind fc1", [2]int{32, 32}, []string{"fc1"}, "fc2", "none", 0, "fc2", "the last frozen layer fc2 lies behind the last layer kept, fc1"},
		{"nothing frozen", [2]int{32, 32}, []string{"block5_pool"}, "none", "avg", 0, "none", ""},
		{"too small", [2]int{31, 32}, []string{"block5_pool"}, "none", "avg", 0, "none", "input 31×32 is too small for vgg16; expected at least 32×32"},
		{"no tap", [2]int{32, 32}, nil, "none", "avg", 0, "none", "no layer is tapped; expected at least one of vgg16"},
		{"order", [2]int{32, 32}, []string{"block5_pool", "block3_pool"}, "none", "avg", 0, "none", "tap block3_pool stands after block5_pool; expected each layer once, in network order"},
		{"behind the last tap", [2]int{32, 32}, []string{"block3_pool"}, "block4_pool", "avg", 0, "block4_pool", "the last frozen layer block4_pool lies behind the last layer kept, block3_pool"},
		{"unknown", [2]int{32, 32}, []string{"block5_pool"}, "block4_pol", "avg", 0, "block4_pol", `unknown layer "block4_pol" of vgg16; did you mean block4_pool?`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := Prefix{Backbone: "vgg16", Input: c.input, Taps: c.taps, Freeze: c.freeze, Pooling: c.pooling}
			got, err := p.FeatureSize()
			if (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
				t.Errorf("received %v, expected %q", err, c.err)
			}
			if got != c.want || p.Cut() != c.cut {
				t.Errorf("%d features, cut at %s; expected %d, %s", got, p.Cut(), c.want, c.cut)
			}
			if all := strings.HasPrefix(c.name, "all frozen"); all && !p.AllFrozen() {
				t.Error("AllFrozen is false")
			}
		})
	}
}
