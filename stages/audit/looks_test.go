package audit

import (
	"encoding/json"
	"image/png"
	"math"
	"os"
	"testing"
)

// testdata/golden.py asked cleanvision.
func TestLooksAsCleanvision(t *testing.T) {
	text, err := os.ReadFile("testdata/looks.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name                               string
		Dark, Bright, Information, Blurred float64
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		pixels, height, width, channels := readPNG(t, c.Name)
		got, err := look(pixels, height, width, channels)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range []struct {
			name            string
			got, want, most float64
		}{
			{"dark", got.dark, c.Dark, 1e-9}, {"bright", got.bright, c.Bright, 1e-9}, {"information", got.information, c.Information, 1e-9},
			{"blurred", got.blurred, c.Blurred, blurTolerance(width)},
		} {
			if math.Abs(one.got-one.want) > one.most {
				t.Errorf("%s: %s is %v, cleanvision says %v", c.Name, one.name, one.got, one.want)
			}
		}
	}
}

// blurTolerance allows for the rounding of what is scaled down first.
func blurTolerance(width int) float64 {
	if width > blurSide {
		return 0.01
	}
	return 1e-9
}

func readPNG(t *testing.T, name string) (pixels []byte, height, width, channels int) {
	t.Helper()
	f, err := os.Open("testdata/" + name + ".png")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	height, width, channels = m.Bounds().Dy(), m.Bounds().Dx(), 3
	if name == "gray" {
		channels = 1
	}
	for y := range height {
		for x := range width {
			r, g, b, _ := m.At(x, y).RGBA()
			pixels = append(pixels, []byte{byte(r >> 8), byte(g >> 8), byte(b >> 8)}[:channels]...)
		}
	}
	return pixels, height, width, channels
}
