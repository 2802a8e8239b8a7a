//go:build !notensorflow

package tfruntime

import (
	"image"
	"runtime"
	"strconv"
	"sync"
	"unsafe"

	tf "github.com/galeone/tensorflow/tensorflow/go"
	corepb "github.com/galeone/tensorflow/tensorflow/go/core/protobuf/for_core_protos_go_proto"
	"github.com/galeone/tensorflow/tensorflow/go/op"
	"google.golang.org/protobuf/proto"

	"tlpipe/pipeline/exit"
	"tlpipe/savedmodels"
)

// JPEG gives libtensorflow's decoder.
func (Runtime) JPEG(fast bool) (savedmodels.JPEGDecoder, error) {
	transform := "INTEGER_ACCURATE"
	if fast {
		transform = "INTEGER_FAST"
	}
	one, err := newJPEGSession(transform, 1, 1)
	if err != nil {
		return nil, err
	}
	many, err := newJPEGSession(transform, 1, savedmodels.JPEGBatch)
	if err != nil {
		return nil, err
	}
	var reduced [9]func() (*jpegSession, error) // by scale, made when first needed: few files are so large
	for _, scale := range []int{2, 4, 8} {
		reduced[scale] = sync.OnceValues(func() (*jpegSession, error) { return newJPEGSession(transform, scale, 1) })
	}
	return func(files [][]byte, scale int, part image.Rectangle, use func(i int, pix []byte)) error {
		if len(files) == savedmodels.JPEGBatch && scale == 1 {
			return many.decode(files, part, use)
		}
		one := one
		if scale > 1 {
			var err error
			if one, err = reduced[scale](); err != nil {
				return err
			}
		}
		for i := range files {
			if err := one.decode(files[i:i+1], part, func(_ int, pix []byte) { use(i, pix) }); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// jpegSession decodes so many files at a time.
type jpegSession struct {
	*tf.Session
	files, window, pixels tf.Output // string [n], int32 [4], uint8 [n, height, width, 3]
	freed                 *collector
}

func newJPEGSession(transform string, scale int, n int64) (*jpegSession, error) {
	scope := op.NewScope()
	s := &jpegSession{freed: &collector{}}
	s.files = op.Placeholder(scope, tf.String, op.PlaceholderShape(tf.MakeShape(n)))
	s.window = op.Placeholder(scope.SubScope("window"), tf.Int32, op.PlaceholderShape(tf.MakeShape(4)))
	var images []tf.Output
	for i, file := range op.Unpack(scope, s.files, n) {
		scope := scope.SubScope(strconv.Itoa(i))
		images = append(images, op.DecodeAndCropJpeg(scope, file, s.window, op.DecodeAndCropJpegChannels(3), op.DecodeAndCropJpegRatio(int64(scale)), op.DecodeAndCropJpegDctMethod(transform)))
	}
	s.pixels = op.Pack(scope, images)
	graph, err := scope.Finalize()
	if err != nil {
		return nil, err
	}
	options, err := proto.Marshal(&corepb.ConfigProto{
		DeviceCount:               map[string]int32{"GPU": 0},
		InterOpParallelismThreads: -1, // each call computes in the thread that makes it
		GraphOptions: &corepb.GraphOptions{ // nothing to optimize, which would take 10 ms
			RewriteOptions: &corepb.RewriterConfig{DisableMetaOptimizer: true},
		},
	})
	if err != nil {
		return nil, err
	}
	if s.Session, err = tf.NewSession(graph, &tf.SessionOptions{Config: options}); err != nil {
		return nil, exit.Errorf(exit.NoRuntime, "TensorFlow does not start: %w", err)
	}
	return s, nil
}

func (s *jpegSession) decode(files [][]byte, part image.Rectangle, use func(i int, pix []byte)) error {
	texts, size := make([]string, len(files)), 0
	for i, file := range files {
		texts[i] = unsafe.String(unsafe.SliceData(file), len(file)) // copied once, by NewTensor
		size += len(file)
	}
	input, err := tf.NewTensor(texts)
	if err != nil {
		return err
	}
	window, err := tf.NewTensor([4]int32{int32(part.Min.Y), int32(part.Min.X), int32(part.Dy()), int32(part.Dx())})
	if err != nil {
		return err
	}
	results, err := s.Run(map[tf.Output]*tf.Tensor{s.files: input, s.window: window}, []tf.Output{s.pixels}, nil)
	if err != nil {
		return err
	}
	_, err = results[0].WriteContentsTo(inPlace(func(all []byte) {
		for i := range files {
			n := len(all) / len(files)
			use(i, all[i*n:(i+1)*n:(i+1)*n])
		}
		size += len(all)
	}))
	runtime.KeepAlive(results)
	s.freed.collect(int64(size))
	return err
}

// inPlace is a writer that is shown the memory of a tensor: WriteContentsTo hands it on as a whole.
type inPlace func(data []byte)

func (f inPlace) Write(data []byte) (int, error) {
	f(data)
	return len(data), nil
}
