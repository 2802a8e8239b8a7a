// Package environment builds the environment variables of the processes whose results are stored: the worker, which links
// TensorFlow, and Python with Keras. Hundreds of variables change what these compute (TF_ENABLE_ONEDNN_OPTS, ONEDNN_*,
// TF_XLA_FLAGS, OMP_*, NVIDIA_TF32_OVERRIDE, PYTHONPATH, LD_PRELOAD, ...), and none of them is part of a key. Such a process
// therefore inherits only the variables that it needs to find files, the network and a GPU.
package environment

import (
	"os"
	"slices"
	"strings"
)

// common are the variables that each such process inherits, to find files and the network.
var common = []string{
	"PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TZ", "XDG_CONFIG_HOME", "XDG_CACHE_HOME",
	"http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
	"TLPIPE_*", // those of tlpipe's own tests
}

// Worker returns the environment of a process that links TensorFlow. It includes LD_LIBRARY_PATH, by which a GPU's driver is found
// in a container; the loaded libtensorflow is verified separately.
func Worker() []string {
	return inherit("LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES", "GOMAXPROCS", "GOMEMLIMIT", "GOTRACEBACK")
}

// Python returns the environment of a Python process, with further variables (NAME=VALUE). pip's settings are inherited, since
// downloaded packages are verified.
func Python(further ...string) []string { return append(inherit("PIP_*"), further...) }

// inherit returns the common and the given further variables of this process. A name that ends in * is a prefix.
func inherit(further ...string) []string {
	names := slices.Concat(common, further)
	env := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return !slices.ContainsFunc(names, func(passed string) bool {
			prefix, open := strings.CutSuffix(passed, "*")
			return name == passed || open && strings.HasPrefix(name, prefix)
		})
	})
	return append(env, "LC_ALL=C.UTF-8")
}
