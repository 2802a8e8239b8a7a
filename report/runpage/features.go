package runpage

import (
	"fmt"
	"image"
	"math"

	"golang.org/x/image/draw"

	"tlpipe/report/featuremap"
	"tlpipe/stages/formats"
)

const (
	mapPoints     = 1500 // images on the map
	mapComponents = 10   // of which the browser makes another map by UMAP
	mapWidth      = 1000 // of the drawing
	mapHeight     = 640
	mapShapes     = 7  // that dots have
	mapLegend     = 30 // classes that are named
	tileSide      = 32 // pixels of a picture of a dot
	leastPoints   = 3
)

// featuresContent is what the map of the features shows.
type featuresContent struct {
	All             int // tested images
	Source          string
	Across, Up      string // shares of the differences that the two directions have
	Dots            []dot
	Legend          []int // classes
	Unnamed         int   // classes that are not in the legend
	Width, Height   int
	Sprite          string // the pictures of all dots as one JPEG in base64, row by row; empty: there are none
	Data            mapData
	NeighboursApart bool // there are enough points for UMAP
}

// dot is an image on the map.
type dot struct {
	X, Y  int
	Class int // its label
	Wrong bool
}

// mapData is what the script is given as JSON.
type mapData struct {
	Tile    int     `json:"tile"`    // pixels of a picture in the sprite
	Columns int     `json:"columns"` // of the sprite
	Width   int     `json:"width"`
	Height  int     `json:"height"`
	Dots    []mapOf `json:"dots"`
	Reduced [][]int `json:"reduced"` // the first components of each dot, in thousandths of the largest
}

type mapOf struct {
	X         int     `json:"x"`
	Y         int     `json:"y"`
	Label     int     `json:"label"`
	Predicted int     `json:"predicted"`
	Sure      float64 `json:"sure"`
	Path      string  `json:"path"`
}

// Shape numbers the shape of the dots of a class.
func (featuresContent) Shape(class int) int { return class % mapShapes }

func features(r *Run, thumbnails *Thumbnails) (any, string, error) {
	if len(r.Tested) < leastPoints {
		return nil, "there are too few tested images for a map", nil
	}
	n := min(len(r.Tested), mapPoints)
	chosen := make([]int, n)
	for i := range chosen {
		chosen[i] = i * len(r.Tested) / n
	}
	points, width, source, err := mapInput(r, chosen)
	if err != nil {
		return nil, "", err
	} else if points == nil {
		return nil, "neither features nor probabilities of the tested images are in the store", nil
	}
	m := featuremap.PCA(points, width, mapComponents)
	if m.Components < 2 {
		return nil, "all tested images have the same features, or some that are no numbers", nil
	}
	c := featuresContent{All: len(r.Tested), Source: source, Across: percent(m.Explained[0]), Up: percent(m.Explained[1]), Width: mapWidth, Height: mapHeight, NeighboursApart: n > 15}
	c.place(r, chosen, m)
	for class := range r.Classes[:min(len(r.Classes), mapLegend)] {
		c.Legend = append(c.Legend, class)
	}
	c.Unnamed = len(r.Classes) - len(c.Legend)
	c.sprite(r, chosen, thumbnails)
	return c, "", nil
}

// mapInput are the numbers that the map is made of, of the chosen images: features, and where none are stored the logarithms
// of the probabilities.
func mapInput(r *Run, chosen []int) (points []float32, width int, source string, err error) {
	if dir := r.Dirs["featurize"]; dir != "" && r.Tested[chosen[0]].Row >= 0 {
		stored, err := formats.OpenFeatures(dir)
		if err != nil {
			return nil, 0, "", err
		}
		if stored != nil {
			defer stored.Close()
			points, width, err = readFeatures(r, stored, chosen)
			source = "what the frozen part of the network makes of them"
			if whole := formats.Product(stored.Shape); whole > width {
				source += fmt.Sprintf(" (%s numbers each, folded into %d, which keeps distances to a few hundredths)", comma(whole), width)
			}
			return points, width, source, err
		}
	}
	width, fold := featuremap.Fold(len(r.Classes))
	points, logs := make([]float32, width*len(chosen)), make([]float32, len(r.Classes))
	for i, at := range chosen {
		row := r.Probabilities(at)
		if row == nil {
			return nil, 0, "", nil
		}
		for class, p := range row {
			logs[class] = float32(math.Log(max(float64(p), 1e-7)))
		}
		fold(points[i*width:(i+1)*width], logs)
	}
	return points, width, "the logarithms of the probabilities that the model gives them: nothing is frozen, so no features are stored", nil
}

func readFeatures(r *Run, stored *formats.Features, chosen []int) (points []float32, width int, err error) {
	whole := formats.Product(stored.Shape)
	width, fold := featuremap.Fold(whole)
	points = make([]float32, width*len(chosen))
	buffer := make([]byte, 4*whole)
	for i, at := range chosen {
		if err := stored.Read(buffer, r.Tested[at].Row, 0); err != nil {
			return nil, 0, err
		}
		fold(points[i*width:(i+1)*width], formats.Float32s(buffer))
	}
	return points, width, nil
}

// place scales the first two components to the drawing, both alike, and rounds all for the script.
func (c *featuresContent) place(r *Run, chosen []int, m featuremap.Map) {
	low, high, most := [2]float64{math.Inf(1), math.Inf(1)}, [2]float64{math.Inf(-1), math.Inf(-1)}, 0.0
	at := func(i, k int) float64 { return m.At[i*m.Components+k] }
	for i := range chosen {
		for k := range 2 {
			low[k], high[k] = min(low[k], at(i, k)), max(high[k], at(i, k))
		}
		for k := range m.Components {
			most = max(most, math.Abs(at(i, k)))
		}
	}
	scale := min(mapWidth/(high[0]-low[0]), mapHeight/max(high[1]-low[1], 1e-9*(high[0]-low[0])))
	middle := func(v float64, k int, size float64) int {
		return int(math.Round(size/2 + scale*(v-(low[k]+high[k])/2)))
	}
	for i, tested := range chosen {
		t := r.Tested[tested]
		x, y := middle(at(i, 0), 0, mapWidth), mapHeight-middle(at(i, 1), 1, mapHeight)
		c.Dots = append(c.Dots, dot{x, y, t.Label, !t.Right()})
		c.Data.Dots = append(c.Data.Dots, mapOf{x, y, t.Label, t.Predicted, math.Round(1e4*t.Probability) / 1e4, t.Path})
		reduced := make([]int, m.Components)
		for k := range reduced {
			reduced[k] = int(math.Round(1000 * at(i, k) / most))
		}
		c.Data.Reduced = append(c.Data.Reduced, reduced)
	}
	c.Data.Width, c.Data.Height = mapWidth, mapHeight
}

// sprite draws the pictures of all dots into one.
func (c *featuresContent) sprite(r *Run, chosen []int, thumbnails *Thumbnails) {
	c.Data.Tile, c.Data.Columns = tileSide, int(math.Ceil(math.Sqrt(float64(len(chosen)))))
	if r.Images == nil || r.Tested[chosen[0]].Row < 0 {
		return
	}
	rows := (len(chosen) + c.Data.Columns - 1) / c.Data.Columns
	var whole draw.Image = image.NewRGBA(image.Rect(0, 0, c.Data.Columns*tileSide, rows*tileSide))
	if r.Images.Channels == 1 {
		whole = image.NewGray(whole.Bounds())
	}
	for i, at := range chosen {
		tile := thumbnails.tile(r.Tested[at].Row, tileSide)
		corner := image.Pt(i%c.Data.Columns*tileSide, i/c.Data.Columns*tileSide)
		corner = corner.Add(image.Pt(tileSide, tileSide).Sub(tile.Bounds().Size()).Div(2))
		draw.Draw(whole, tile.Bounds().Add(corner), tile, image.Point{}, draw.Src)
	}
	if text := encode(whole); len(text) <= thumbnails.left {
		thumbnails.left -= len(text)
		c.Sprite = text
	}
}
