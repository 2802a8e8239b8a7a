//go:build !notensorflow

package tfruntime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	tf "github.com/galeone/tensorflow/tensorflow/go"
	corepb "github.com/galeone/tensorflow/tensorflow/go/core/protobuf/for_core_protos_go_proto"
	tg "github.com/galeone/tfgo"
	"google.golang.org/protobuf/proto"

	"tlpipe/pipeline/exit"
	"tlpipe/savedmodels"
	"tlpipe/savedmodels/tfruntime/trust"
)

// Runtime is libtensorflow.
type Runtime struct{}

// New returns the runtime of this process.
func New() Runtime { return Runtime{} }

// Version is that of libtensorflow, such as 2.21.0.
func (Runtime) Version() string { return tf.Version() }

// Device is what TensorFlow computes on.
type Device struct {
	Name   string // cpu or gpu:N
	Memory int64  // bytes that TensorFlow can have of a GPU's
}

// Devices lists what TensorFlow finds here. It claims memory of each GPU.
func Devices() ([]Device, error) { return devices(&corepb.ConfigProto{}) }

func devices(config *corepb.ConfigProto) ([]Device, error) {
	if config.GpuOptions == nil {
		config.GpuOptions = &corepb.GPUOptions{AllowGrowth: true}
	}
	options, err := proto.Marshal(config)
	if err != nil {
		return nil, err
	}
	session, err := tf.NewSession(tf.NewGraph(), &tf.SessionOptions{Config: options})
	if err != nil {
		return nil, exit.Errorf(exit.NoRuntime, "TensorFlow does not start: %w", err)
	}
	defer session.Close()
	list, err := session.ListDevices()
	if err != nil {
		return nil, err
	}
	var found []Device
	for _, d := range list {
		switch index := d.Name[strings.LastIndexByte(d.Name, ':')+1:]; d.Type {
		case "CPU":
			found = append(found, Device{Name: "cpu"})
		case "GPU":
			found = append(found, Device{"gpu:" + index, d.MemoryLimitBytes})
		}
	}
	return found, nil
}

func names(devices []Device) string {
	list := make([]string, len(devices))
	for i, d := range devices {
		list[i] = d.Name
	}
	return strings.Join(list, ", ")
}

// Load reads the SavedModel in dir, starts a session, checks that it has the signatures its card lists, and runs prepare if
// that is among them.
func (Runtime) Load(dir string, opts savedmodels.Options) (savedmodels.Model, error) {
	config, err := sessionConfig(opts)
	if err != nil {
		return nil, err
	}
	if opts.Device != "cpu" {
		found, err := devices(config)
		if err != nil {
			return nil, exit.Errorf(exit.NoRuntime, "no device %s: %w", opts.Device, err)
		}
		if len(found) < 2 {
			return nil, exit.Errorf(exit.NoRuntime, "no device %s: TensorFlow found %s; set --device to one of them", opts.Device, names(found))
		}
	}
	return open(dir, config, opts.Trust)
}

// open is Load with TensorFlow's own options.
func open(dir string, config *corepb.ConfigProto, trusted bool) (savedmodels.Model, error) {
	card, err := savedmodels.ReadCard(dir)
	if err != nil {
		return nil, err
	}
	if err := savedmodels.CheckFiles(dir, trusted); err != nil {
		return nil, err
	}
	saved, err := readSavedModel(dir)
	if err != nil {
		return nil, err
	}
	if err := trust.Check(saved); err != nil && !trusted {
		return nil, savedmodels.Untrusted(dir, err)
	}
	graph, err := metaGraph(saved)
	if err != nil {
		return nil, exit.Errorf(exit.Damaged, "%s: %w", dir, err)
	}
	signatures, err := checkSignatures(graph, card)
	if err != nil {
		return nil, exit.Errorf(exit.Damaged, "%s: %w", dir, err)
	}
	options, err := proto.Marshal(config)
	if err != nil {
		return nil, err
	}
	m := &model{signatures: signatures, saver: graph.SaverDef}
	err = catch(func() { m.loaded = tg.LoadModel(dir, []string{"serve"}, &tf.SessionOptions{Config: options}) })
	if err = exit.FromText(err, savedmodels.NoMemory()...); exit.Code(err) == exit.Resources {
		return nil, fmt.Errorf("load %s: %w", dir, err)
	} else if err != nil {
		return nil, exit.Errorf(exit.Damaged, "load %s: %w", dir, err)
	}
	if _, ok := signatures[savedmodels.Prepare]; ok {
		if _, err := m.Run(context.Background(), savedmodels.Prepare, nil); err != nil {
			return nil, fmt.Errorf("load %s: %w", dir, err)
		}
	}
	return m, nil
}

// sessionConfig turns options into TensorFlow's, and refuses what would abort the process.
func sessionConfig(opts savedmodels.Options) (*corepb.ConfigProto, error) {
	if opts.Threads < 1 {
		return nil, exit.Errorf(exit.Usage, "expected at least 1 thread, received %d", opts.Threads)
	}
	config := &corepb.ConfigProto{
		IntraOpParallelismThreads: int32(opts.Threads),
		InterOpParallelismThreads: int32(opts.Threads),
		AllowSoftPlacement:        true,
	}
	if opts.Threads == 1 {
		config.InterOpParallelismThreads = -1
	}
	switch n, isGPU := strings.CutPrefix(opts.Device, "gpu:"); {
	case opts.Device == "cpu":
		config.DeviceCount = map[string]int32{"GPU": 0}
	case isGPU:
		if i, err := strconv.Atoi(n); err != nil || i < 0 {
			return nil, exit.Errorf(exit.Usage, "expected device cpu or gpu:N, received %q", opts.Device)
		}
		config.GpuOptions = &corepb.GPUOptions{AllowGrowth: true, VisibleDeviceList: n}
	default:
		return nil, exit.Errorf(exit.Usage, "expected device cpu or gpu:N, received %q", opts.Device)
	}
	host := savedmodels.ThisHost(opts.Device)
	precision, err := host.Precision(opts.Precision)
	if err != nil {
		return nil, err
	}
	if err := host.CheckJIT(opts.JITCompile); err != nil {
		return nil, err
	}
	graph := &corepb.GraphOptions{}
	switch precision {
	case "float32", "int8":
	case "bfloat16":
		graph.RewriteOptions = &corepb.RewriterConfig{AutoMixedPrecisionOnednnBfloat16: corepb.RewriterConfig_ON}
	case "float16":
		graph.RewriteOptions = &corepb.RewriterConfig{AutoMixedPrecision: corepb.RewriterConfig_ON}
	default:
		return nil, exit.Errorf(exit.Usage, "expected precision float32, bfloat16, int8 or float16, received %q", opts.Precision)
	}
	if opts.JITCompile {
		graph.OptimizerOptions = &corepb.OptimizerOptions{GlobalJitLevel: corepb.OptimizerOptions_ON_1}
	}
	if graph.RewriteOptions != nil || graph.OptimizerOptions != nil {
		config.GraphOptions = graph
	}
	return config, nil
}

// readSavedModel parses saved_model.pb: what is in it is nowhere else, since tfgo hides it.
func readSavedModel(dir string) (*corepb.SavedModel, error) {
	path := filepath.Join(dir, "saved_model.pb")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, exit.Errorf(exit.Damaged, "no SavedModel: %w", err)
	}
	saved := &corepb.SavedModel{}
	if err := proto.Unmarshal(text, saved); err != nil {
		return nil, exit.Errorf(exit.Damaged, "%s is damaged: %w", path, err)
	}
	return saved, nil
}

// metaGraph is the graph that TensorFlow loads by the tag serve: that which has this tag alone.
func metaGraph(saved *corepb.SavedModel) (*corepb.MetaGraphDef, error) {
	for _, graph := range saved.MetaGraphs {
		if slices.Equal(graph.MetaInfoDef.GetTags(), []string{"serve"}) {
			return graph, nil
		}
	}
	return nil, errors.New("saved_model.pb has no graph tagged serve")
}

// catch turns a panic, which is how tfgo reports errors, into an error.
func catch(f func()) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case error:
			err = r
		default:
			err = fmt.Errorf("%v", r)
		}
	}()
	f()
	return nil
}
