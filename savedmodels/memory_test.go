package savedmodels

import "testing"

// TestMemoryEstimate compares the estimates with the most memory that processes took (VmHWM, TensorFlow 2.21, 2 threads).
func TestMemoryEstimate(t *testing.T) {
	frozen := func(side int, precision string) Prefix {
		return Prefix{Backbone: "vgg16", Input: [2]int{side, side}, Taps: []string{"block5_pool"}, Freeze: "block5_pool", Pooling: "avg", Precision: precision}
	}
	amx := func(side int) Prefix {
		p := frozen(side, "bfloat16")
		p.MatrixUnits = true
		return p
	}
	trained := func(side int) Suffix {
		p := frozen(side, "")
		p.Freeze = "none"
		return Suffix{Prefix: p, Classes: 2}
	}
	for _, test := range []struct {
		what     string
		estimate Memory
		batch    int
		took     int64 // MiB
	}{
		{"featurize at 224 pixels, bfloat16, AMX", amx(224).FeaturizeMemory(2), 1, 473},
		{"featurize at 224 pixels, bfloat16, AMX", amx(224).FeaturizeMemory(2), 16, 624},
		{"featurize at 224 pixels, bfloat16, AMX", amx(224).FeaturizeMemory(2), 32, 734},
		{"featurize at 224 pixels, bfloat16", frozen(224, "bfloat16").FeaturizeMemory(2), 1, 759},
		{"featurize at 224 pixels, bfloat16", frozen(224, "bfloat16").FeaturizeMemory(2), 16, 990},
		{"featurize at 224 pixels, bfloat16", frozen(224, "bfloat16").FeaturizeMemory(2), 32, 1413},
		{"featurize at 32 pixels, bfloat16", frozen(32, "bfloat16").FeaturizeMemory(2), 512, 950},
		{"featurize at 224 pixels", frozen(224, "float32").FeaturizeMemory(2), 1, 781},
		{"featurize at 224 pixels", frozen(224, "float32").FeaturizeMemory(2), 16, 1076},
		{"featurize at 224 pixels", frozen(224, "float32").FeaturizeMemory(2), 32, 1406},
		{"featurize at 32 pixels", frozen(32, "float32").FeaturizeMemory(2), 128, 752},
		{"featurize at 32 pixels", frozen(32, "float32").FeaturizeMemory(2), 512, 948},
		{"featurize at 32 pixels, bfloat16, AMX", amx(32).FeaturizeMemory(2), 512, 504},
		{"featurize at 224 pixels, int8", frozen(224, "int8").FeaturizeMemory(2), 1, 950},
		{"featurize at 224 pixels, int8", frozen(224, "int8").FeaturizeMemory(2), 16, 987},
		{"featurize at 224 pixels, int8", frozen(224, "int8").FeaturizeMemory(2), 64, 1095},
		{"featurize at 32 pixels, int8", frozen(32, "int8").FeaturizeMemory(2), 128, 978},
		{"featurize at 32 pixels, int8", frozen(32, "int8").FeaturizeMemory(2), 512, 1072},
		{"train_step at 32 pixels, bfloat16", trained(32).TrainMemory(), 128, 845},
		{"train_step at 64 pixels, bfloat16", trained(64).TrainMemory(), 128, 1114},
		{"train_step at 64 pixels", trained(64).TrainMemory(), 256, 2193},
	} {
		got := test.estimate.Of(test.batch) >> 20
		if got < test.took || got > test.took*2 {
			t.Errorf("%s, batch %d: %d MiB estimated, %d MiB taken", test.what, test.batch, got, test.took)
		}
	}
}

func TestMemoryBatch(t *testing.T) {
	m := Memory{Fixed: 1000, PerImage: 10}
	for bytes, want := range map[int64]int{1320: 32, 1329: 32, 1009: 0, 500: 0} {
		if got := m.Batch(bytes); got != want {
			t.Errorf("%d bytes: a batch of %d, expected %d", bytes, got, want)
		}
	}
	if got := m.Of(m.Batch(1329)); got > 1329 {
		t.Errorf("the batch that fits takes %d bytes", got)
	}
}
