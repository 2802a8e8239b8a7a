//go:build !notensorflow

package tfruntime

import (
	"bytes"
	"runtime"

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
	scope := op.NewScope()
	file := op.Placeholder(scope, tf.String, op.PlaceholderShape(tf.ScalarShape()))
	pixels := op.DecodeJpeg(scope, file, op.DecodeJpegChannels(3), op.DecodeJpegDctMethod(transform))
	graph, err := scope.Finalize()
	if err != nil {
		return nil, err
	}
	options, err := proto.Marshal(&corepb.ConfigProto{
		DeviceCount:               map[string]int32{"GPU": 0},
		InterOpParallelismThreads: -1, // each call computes in the thread that makes it
	})
	if err != nil {
		return nil, err
	}
	session, err := tf.NewSession(graph, &tf.SessionOptions{Config: options})
	if err != nil {
		return nil, exit.Errorf(exit.NoRuntime, "TensorFlow does not start: %w", err)
	}
	var freed collector
	return func(data []byte) (savedmodels.Tensor, error) {
		text, err := tf.NewTensor(string(data))
		if err != nil {
			return savedmodels.Tensor{}, err
		}
		results, err := session.Run(map[tf.Output]*tf.Tensor{file: text}, []tf.Output{pixels}, nil)
		if err != nil {
			return savedmodels.Tensor{}, err
		}
		shape := results[0].Shape()
		rgb := bytes.NewBuffer(make([]byte, 0, shape[0]*shape[1]*shape[2]))
		if _, err := results[0].WriteContentsTo(rgb); err != nil {
			return savedmodels.Tensor{}, err
		}
		runtime.KeepAlive(results)
		freed.collect(int64(len(data) + rgb.Len()))
		return savedmodels.Tensor{DType: savedmodels.Uint8, Shape: shape, Data: rgb.Bytes()}, nil
	}, nil
}
