package predict

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"sync"

	"github.com/dustin/go-humanize"

	"tlpipe/pipeline/guard"
	"tlpipe/savedmodels"
	"tlpipe/stages/examples"
	"tlpipe/stages/formats"
	"tlpipe/stages/imagefile"
	"tlpipe/stages/machine"
	"tlpipe/stages/parallel"
	"tlpipe/stages/temperature"
)

// maxImageFile is the size in bytes above which a file is refused without reading it.
const maxImageFile = 1 << 30

// PredictName takes the place of a stage's name in a request to the worker.
const PredictName = "predict"

// PredictRequest is what the worker needs to classify image files.
type PredictRequest struct {
	Model   string   `json:"model"`   // folder of a trained model (an artifact of type model) (an artifact of type model)
	Images  [][]byte `json:"images"`  // paths of the files, as bytes since a path need not be UTF-8
	Top     int      `json:"top"`     // number of classes to return for each image
	Threads int      `json:"threads"` // 0: as many as the model was trained with
	Device  string   `json:"device"`  // see Linked.Machine
	Trust   bool     `json:"trust"`   // see savedmodels.Options.Trust

	Calibrated bool `json:"calibrated"` // probabilities after the model's temperature
}

// Prediction is the result for one image: its most probable classes in descending order, or the reason why there is none.
type Prediction struct {
	Image         int       `json:"image"`   // index in Images of the request
	Classes       []int     `json:"classes"` // indices into the model's classes
	Probabilities []float32 `json:"probabilities"`
	Unreadable    string    `json:"unreadable,omitempty"`
}

// Predict runs the serving signature of a trained model on image files, which it decodes as the training images were decoded,
// and calls emit with each result in the order of the request. Its memory does not grow with the number of images.
func Predict(ctx context.Context, run savedmodels.Runtime, host machine.Machine, req PredictRequest, emit func(Prediction) error) (err error) {
	trained, err := OpenTrained(req.Model)
	if err == nil && req.Calibrated {
		err = trained.CheckCalibrated(req.Model)
	}
	if err != nil {
		return err
	}
	size := max(1, min(trained.batchSize(), len(req.Images)))
	memory := trained.memory
	memory.Fixed = max(memory.Fixed, savedmodels.Bytes(req.Model)) // even if the card of an untrusted model claims less
	if err := (machine.Resources{Machine: host, Memory: machine.FreeMemory}).FitsMemory("", memory, size); err != nil {
		return err
	}
	model, err := run.Load(req.Model, savedmodels.Options{
		Device: host.Device, Threads: cmp.Or(req.Threads, trained.Threads), Precision: "float32", // as evaluate does
		Trust: req.Trust,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, model.Close()) }()
	if trained.jpeg, err = machine.JPEGDecoder(run, trained.Scaling()); err != nil {
		return err
	}
	buffer := func() *fileBatch { return newFileBatch(trained, size) }
	first := 0
	for b, err := range parallel.Ordered(ctx, parallel.Count(len(req.Images), size), 1, buffer, func(b *fileBatch, i int) error {
		b.read(req.Images[i*size : min((i+1)*size, len(req.Images))])
		return nil
	}) {
		if err != nil {
			return err
		}
		probabilities, err := b.predict(ctx, model)
		if err != nil {
			return err
		}
		for i, reason := range b.reasons {
			p := Prediction{Image: first + i}
			if reason != nil {
				p.Unreadable = reason.Error()
			} else {
				row := probabilities[:len(trained.Classes)]
				if req.Calibrated {
					temperature.Apply(row, trained.Calibrated.Temperature)
				}
				p.rank(row, req.Top)
				probabilities = probabilities[len(trained.Classes):]
			}
			if err := emit(p); err != nil {
				return err
			}
		}
		first += len(b.reasons)
	}
	return nil
}

// rank keeps the most probable classes; ties go to the lower class index.
func (p *Prediction) rank(probabilities []float32, top int) {
	order := make([]int, len(probabilities))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(probabilities[b], probabilities[a]) })
	p.Classes = order[:min(top, len(order))]
	for _, class := range p.Classes {
		p.Probabilities = append(p.Probabilities, probabilities[class])
	}
}

// batchSize limits the memory of both the pixels and the activations of a batch.
func (t *Classifier) batchSize() int {
	most := min(examples.BatchBytes/formats.Product(t.ImageShape()), examples.BatchPixels/(t.input[0]*t.input[1]), examples.BatchRows)
	return max(most, 1)
}

// fileBatch holds the pixels of the images of a batch that could be read.
type fileBatch struct {
	trained *Classifier
	pixels  []byte
	reasons []error // for each file why it could not be read; nil if it could
}

func newFileBatch(t *Classifier, size int) *fileBatch {
	return &fileBatch{trained: t, pixels: make([]byte, 0, size*formats.Product(t.ImageShape()))}
}

// read decodes files, several concurrently.
func (b *fileBatch) read(paths [][]byte) {
	size := formats.Product(b.trained.ImageShape())
	b.pixels, b.reasons = b.pixels[:len(paths)*size], make([]error, len(paths))
	var group sync.WaitGroup
	next := make(chan int, len(paths))
	for i := range paths {
		next <- i
	}
	close(next)
	for range min(runtime.NumCPU(), len(paths)) {
		group.Go(func() {
			for i := range next {
				b.reasons[i] = guard.Run(func() error { return b.trained.readImage(b.pixels[i*size:(i+1)*size], string(paths[i])) })
			}
		})
	}
	group.Wait()
	good := 0
	for i, reason := range b.reasons {
		if reason == nil {
			copy(b.pixels[good*size:(good+1)*size], b.pixels[i*size:])
			good++
		}
	}
	b.pixels = b.pixels[:good*size]
}

// predict returns the class probabilities of the images that could be read, [images, classes] row by row.
func (b *fileBatch) predict(ctx context.Context, model savedmodels.Model) ([]float32, error) {
	shape := b.trained.ImageShape()
	n := len(b.pixels) / formats.Product(shape)
	if n == 0 {
		return nil, nil
	}
	images := savedmodels.Tensor{DType: savedmodels.Uint8, Shape: []int64{int64(n), int64(shape[0]), int64(shape[1]), int64(shape[2])}, Data: b.pixels}
	out, err := model.Run(ctx, savedmodels.Predict, map[string]savedmodels.Tensor{"images": images})
	if err != nil {
		return nil, err
	}
	probabilities := formats.Float32s(out["probabilities"].Data)
	if want := n * len(b.trained.Classes); len(probabilities) != want {
		return nil, fmt.Errorf("the model returned %d probabilities for %d images of %d classes: its card.json belongs to another model", len(probabilities), n, len(b.trained.Classes))
	}
	if slices.ContainsFunc(probabilities, func(p float32) bool { return math.IsNaN(float64(p)) }) {
		return nil, errors.New("the model returns NaN: its weights are corrupt; train it again")
	}
	return probabilities, nil
}

// readImage fills dst with the pixels of a file in the model's input format: decoded like the training images, converted to gray
// if all of those were gray, and cropped as normalize says. The error is a message for users, without the path.
func (t *Classifier) readImage(dst []byte, path string) error {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxImageFile {
		err = fmt.Errorf("%s: files of more than %s are refused", humanize.IBytes(uint64(info.Size())), humanize.IBytes(maxImageFile))
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(path)
	}
	if err != nil {
		return reason(err)
	}
	height, width, channels := t.Decoded[0], t.Decoded[1], t.Decoded[2]
	options := t.Scaling()
	options.JPEG, options.Room, options.Background = t.jpeg, t.room, t.Background.Color()
	m, err := imagefile.Decode(data, options)
	if err != nil {
		return err
	}
	if m.Height != height || m.Width != width {
		return fmt.Errorf("it is %d pixels high and %d wide, all training images were %d and %d, and decode.size scaled none", m.Height, m.Width, height, width)
	}
	if channels == 1 {
		m.Pix = luma(m.Pix)
	}
	formats.CentreCrop(dst, m.Pix, t.Decoded, t.Recipe.Crop)
	return nil
}

// luma converts RGB to gray with the weights of ITU-R BT.601 in Pillow's integer arithmetic. Gray pixels are unchanged.
func luma(rgb []byte) []byte {
	gray := rgb[:0:len(rgb)]
	for ; len(rgb) > 0; rgb = rgb[3:] {
		gray = append(gray, byte((19595*uint32(rgb[0])+38470*uint32(rgb[1])+7471*uint32(rgb[2])+1<<15)>>16))
	}
	return gray
}
