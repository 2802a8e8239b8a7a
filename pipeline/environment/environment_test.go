package environment

import (
	"slices"
	"strings"
	"testing"
)

func TestEnvironments(t *testing.T) {
	hostile := []string{
		"TF_ENABLE_ONEDNN_OPTS", "TF_XLA_FLAGS", "XLA_FLAGS", "TF_CPP_MIN_LOG_LEVEL", "TF_CPP_VMODULE", "TF_DETERMINISTIC_OPS", "TF_NUM_INTRAOP_THREADS",
		"ONEDNN_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE", "DNNL_MAX_CPU_ISA", "DNNL_VERBOSE", "OMP_NUM_THREADS", "KMP_AFFINITY", "MKL_NUM_THREADS", "OPENBLAS_CORETYPE",
		"NVIDIA_TF32_OVERRIDE", "CUDA_CACHE_DISABLE", "CUBLAS_WORKSPACE_CONFIG", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONHASHSEED", "PYTHONWARNINGS",
		"KERAS_BACKEND", "KERAS_HOME", "LD_PRELOAD", "LD_AUDIT", "GLIBC_TUNABLES", "MALLOC_PERTURB_", "GODEBUG", "LANG", "LC_NUMERIC", "LANGUAGE",
	}
	for _, name := range hostile {
		t.Setenv(name, "1")
	}
	t.Setenv("HTTPS_PROXY", "http://proxy:3128")
	t.Setenv("CUDA_VISIBLE_DEVICES", "1")
	t.Setenv("PIP_INDEX_URL", "https://mirror")
	t.Setenv("LD_LIBRARY_PATH", "/drivers")
	for process, test := range map[string]struct{ env, want, lacks []string }{
		"worker": {Worker(), []string{"HTTPS_PROXY=http://proxy:3128", "CUDA_VISIBLE_DEVICES=1", "LD_LIBRARY_PATH=/drivers", "LC_ALL=C.UTF-8"}, []string{"PIP_INDEX_URL"}},
		"Python": {Python("KERAS_BACKEND=tensorflow"), []string{"HTTPS_PROXY=http://proxy:3128", "PIP_INDEX_URL=https://mirror", "KERAS_BACKEND=tensorflow", "LC_ALL=C.UTF-8"}, []string{"LD_LIBRARY_PATH"}},
	} {
		for _, variable := range test.env {
			name, value, _ := strings.Cut(variable, "=")
			if slices.Contains(hostile, name) && value == "1" || slices.Contains(test.lacks, name) {
				t.Errorf("%s: %s is passed on", process, name)
			}
		}
		for _, want := range test.want {
			if !slices.Contains(test.env, want) {
				t.Errorf("%s: %s is missing", process, want)
			}
		}
	}
}
