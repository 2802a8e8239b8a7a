//go:build !notensorflow

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestHostileEnvironment runs a config twice, the second time among variables and settings that change what TensorFlow,
// oneDNN, Keras and Python compute or load, had they reached them: the bytes are the same.
func TestHostileEnvironment(t *testing.T) {
	c := newChain(t, 12)
	if code, _, out := c.run("--store", "plain"); code != 0 {
		t.Fatal(out)
	}
	hostile := filepath.Join(c.dir, "hostile")
	for _, name := range []string{"keras.py", "tensorflow.py", "numpy.py", "sitecustomize.py", "libtensorflow_cc.so.2", "libtensorflow_framework.so.2", ".keras/keras.json"} {
		path := filepath.Join(hostile, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(`raise SystemExit("hostile")`), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range map[string]string{
		"TF_ENABLE_ONEDNN_OPTS": "0", "ONEDNN_MAX_CPU_ISA": "SSE41", "DNNL_MAX_CPU_ISA": "SSE41", "ONEDNN_DEFAULT_FPMATH_MODE": "BF16", "OMP_NUM_THREADS": "1",
		"TF_XLA_FLAGS": "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit", "XLA_FLAGS": "--xla_cpu_enable_fast_math=true", "TF_CPP_MAX_VLOG_LEVEL": "1",
		"PYTHONPATH": hostile, "PYTHONHOME": hostile, "PYTHONSTARTUP": filepath.Join(hostile, "keras.py"), "KERAS_BACKEND": "jax", "KERAS_HOME": filepath.Join(hostile, ".keras"),
		"LD_LIBRARY_PATH": hostile,
	} {
		t.Setenv(name, value)
	}
	if code, _, out := c.run("--store", "hostile-store"); code != 0 {
		t.Fatal(out)
	}
	if diff := cmp.Diff(c.artifacts("plain"), c.artifacts("hostile-store")); diff != "" {
		t.Errorf("the environment changed artifacts:\n%s", diff)
	}
}
