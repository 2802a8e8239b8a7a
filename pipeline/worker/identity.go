package worker

import (
	"fmt"
	"runtime/debug"

	"tlpipe/pipeline/exit"
)

// build is a digest of the sources that the program was built from, set by the Makefile.
var build string

// Identity identifies a program. Two programs that work together must come from one build, and a child must link the library
// that the keys of its results name.
type Identity struct {
	Build   string `json:"build"`
	Library string `json:"library"` // which files of which version, as the child sees them; wanted empty: any
}

// Build names the sources that this program was built from: by their digest where the Makefile built it, else by the
// version that Go derives from the repository.
func Build() string {
	if build != "" {
		return build
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return ""
}

// check compares the identity of a child with the wanted one.
func (want Identity) check(is Identity) error {
	switch {
	case is.Build != want.Build:
		return exit.Errorf(exit.NoRuntime, "tlpipe and tlpipe-worker were built from different sources (%s and %s), so they do not work together; `make build` builds both",
			short(want.Build), short(is.Build))
	case want.Library != "" && is.Library != want.Library:
		return exit.Errorf(exit.NoRuntime, "the worker loaded another libtensorflow (%s) than the one that the keys of its results name (%s); run the command again, and look at LD_LIBRARY_PATH if it says so again",
			is.Library, want.Library)
	}
	return nil
}

func short(build string) string {
	if build == "" {
		return "unknown"
	}
	return fmt.Sprintf("%.20s", build)
}
