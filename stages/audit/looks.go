package audit

import (
	"image"
	"math"
	"slices"

	"github.com/corona10/goimagehash"
	"golang.org/x/image/draw"

	"tlpipe/stages/formats"
)

// looks are what the pixels of a picture say of it, as cleanvision measures them; below its threshold each is a finding.
type looks struct {
	dark, bright, blurred, information float64
	gray                               bool
	content                            string // formats.ContentID
	hash, mirrored                     uint64 // perceptual hashes, as it is and in a mirror
}

// look measures a stored image.
func look(pixels []byte, height, width, channels int) (looks, error) {
	l := looks{content: formats.ContentID(pixels), gray: isGray(pixels, channels)}
	l.dark, l.bright = brightness(pixels, channels)
	l.information = min(1, entropy(pixels, channels)/10)
	gray := image.NewGray(image.Rect(0, 0, width, height))
	luminance(gray.Pix, pixels, channels)
	l.blurred = sharpness(pixels, height, width, channels)
	hash, err := goimagehash.PerceptionHash(gray)
	if err != nil {
		return l, err
	}
	l.hash = hash.GetHash()
	for y := range height {
		slices.Reverse(gray.Pix[y*width : (y+1)*width])
	}
	if hash, err = goimagehash.PerceptionHash(gray); err != nil {
		return l, err
	}
	l.mirrored = hash.GetHash()
	return l, nil
}

func isGray(pixels []byte, channels int) bool {
	if channels == 1 {
		return true
	}
	for i := 0; i+2 < len(pixels); i += 3 {
		if pixels[i] != pixels[i+1] || pixels[i] != pixels[i+2] {
			return false
		}
	}
	return true
}

// brightness gives the 99th hundredth of the pixels' brightness, and how far the 5th is from white.
func brightness(pixels []byte, channels int) (dark, bright float64) {
	values := make([]float64, 0, len(pixels)/channels)
	for i := 0; i < len(pixels); i += channels {
		if channels == 1 {
			values = append(values, float64(pixels[i])/255)
			continue
		}
		r, g, b := float64(pixels[i]), float64(pixels[i+1]), float64(pixels[i+2])
		values = append(values, math.Sqrt(0.241*r*r+0.691*g*g+0.068*b*b)/255)
	}
	slices.Sort(values)
	return percentile(values, 99), 1 - percentile(values, 5)
}

// percentile is that of sorted values, as numpy's: between two values it is interpolated.
func percentile(sorted []float64, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := p / 100 * float64(len(sorted)-1)
	below := int(at)
	above := min(below+1, len(sorted)-1)
	return sorted[below] + (at-float64(below))*(sorted[above]-sorted[below])
}

// entropy is that of the values of all channels, in bits, as Pillow's Image.entropy.
func entropy(pixels []byte, channels int) float64 {
	var counts [3][256]int
	for i, v := range pixels {
		counts[i%channels][v]++
	}
	sum := 0.0
	for _, channel := range counts {
		for _, n := range channel {
			if n > 0 {
				p := float64(n) / float64(len(pixels))
				sum -= p * math.Log2(p)
			}
		}
	}
	return sum
}

// luminance is Pillow's conversion to L.
func luminance(dst, pixels []byte, channels int) {
	for i := range dst {
		if channels == 1 {
			dst[i] = pixels[i]
			continue
		}
		r, g, b := int(pixels[3*i]), int(pixels[3*i+1]), int(pixels[3*i+2])
		dst[i] = byte((r*19595 + g*38470 + b*7471 + 0x8000) >> 16)
	}
}

// sharpness is cleanvision's score of blurry: it grows with the strength of edges, and with how unevenly the shades of
// gray occur.
func sharpness(pixels []byte, height, width, channels int) float64 {
	side := float64(max(height, width)) / blurSide
	if side > 1 {
		small := image.Rect(0, 0, max(1, int(float64(width)/side)), max(1, int(float64(height)/side)))
		pixels = scaleDown(pixels, height, width, channels, small)
		height, width = small.Dy(), small.Dx()
	}
	gray := make([]byte, height*width)
	luminance(gray, pixels, channels)
	edges := slices.Clone(gray) // Pillow's filter leaves the border as it is
	for y := 1; y < height-1; y++ {
		for x := 1; x < width-1; x++ {
			sum := 9 * int(gray[y*width+x])
			for dy := -1; dy <= 1; dy++ {
				for dx := -1; dx <= 1; dx++ {
					sum -= int(gray[(y+dy)*width+x+dx])
				}
			}
			edges[y*width+x] = byte(min(255, max(0, sum)))
		}
	}
	strength := deviation(edges)
	counts := make([]int, 256)
	for _, v := range gray {
		counts[v]++
	}
	spread := 1 - math.Exp(-blurScale*deviation(counts))
	if spread <= blurSpread {
		spread = 0
	}
	return min(1, 1-math.Exp(-blurScale*strength)+spread)
}

// deviation is the standard deviation of a population.
func deviation[T byte | int](values []T) float64 {
	var sum, squares float64
	for _, v := range values {
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	n := float64(len(values))
	return math.Sqrt(max(0, squares/n-sum/n*(sum/n)))
}

// scaleDown scales with a bicubic filter, as Pillow's resize does by default.
func scaleDown(pixels []byte, height, width, channels int, to image.Rectangle) []byte {
	whole := formats.Picture(pixels, height, width, channels)
	small := image.NewRGBA(to)
	draw.CatmullRom.Scale(small, to, whole, whole.Bounds(), draw.Src, nil)
	out := make([]byte, to.Dx()*to.Dy()*channels)
	for i := range to.Dx() * to.Dy() {
		copy(out[i*channels:(i+1)*channels], small.Pix[4*i:4*i+3])
	}
	return out
}
