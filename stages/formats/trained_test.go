package formats

import (
	"slices"
	"testing"

	"tlpipe/stages/imagefile"
)

// The served signatures are told the background, or that there is none.
func TestServingHasTheBackground(t *testing.T) {
	for _, background := range []imagefile.Background{nil, imagefile.White, {10, 200, 30}} {
		s := (&Trained{Decoded: [3]int{32, 32, 3}, Background: background}).Serving()
		if !slices.Equal(s.Background, background) {
			t.Errorf("%v, expected %v", s.Background, background)
		}
		want := []byte{255, 255, 255, 255, 255, 255, 255, 255} // -1
		if background != nil {
			want = []byte{byte(background[0]), 0, 0, 0, 0, 0, 0, 0}
		}
		if got := s.Inputs()["background"].Data; !slices.Equal(got[:8], want) {
			t.Errorf("%v is given as %v…", background, got[:8])
		}
	}
}
