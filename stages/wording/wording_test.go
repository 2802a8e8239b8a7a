package wording

import "testing"

func TestCounts(t *testing.T) {
	for got, want := range map[string]string{
		Count(0, "image"): "0 images", Count(1, "image"): "1 image", Count(2, "class"): "2 classes", Count(1, "class"): "1 class", Count(3, "copy"): "3 copies",
		Count(2, "batch"): "2 batches", Count(2, "epoch"): "2 epochs", Count(2, "training image"): "2 training images",
		Share(1, 1, "image"): "1 of 1 image", Share(1, 12, "image"): "1 of 12 images", Named("folder", []string{"a", "b"}): `folders "a", "b"`,
	} {
		if got != want {
			t.Errorf("%q, expected %q", got, want)
		}
	}
}
