package nearest

import "testing"

func TestName(t *testing.T) {
	known := []string{"accuracy", "macro_f1", "top-5", "loss"}
	for unknown, want := range map[string]string{
		"acuracy": "accuracy", "Accuracy": "accuracy", "macro-f1": "macro_f1", "top5": "top-5", "los": "loss", "lost": "loss",
		"x": "", "": "", "recall": "", "loss": "", "accuracies of all": "",
	} {
		if got := Name(unknown, known); got != want {
			t.Errorf("%q: %q, want %q", unknown, got, want)
		}
	}
	if got := Name("block6_pool", []string{"block5_pool", "block4_pool"}); got != "block5_pool" {
		t.Errorf("of equally near names %q", got)
	}
}
