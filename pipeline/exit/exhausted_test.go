package exit

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
)

func TestFromText(t *testing.T) {
	for text, want := range map[string]string{
		"signature train_step: OOM when allocating tensor with shape[64,224,224,64] and type float on /device:CPU:0": "memory ran out",
		"  what():  std::bad_alloc, SIGABRT: abort":                                                  "memory ran out",
		"fatal error: runtime: out of memory":                                                        "memory ran out",
		"RESOURCE_EXHAUSTED: failed to allocate request for 8.00GiB (8589934592B) on device":         "memory ran out",
		"numpy._core._exceptions._ArrayMemoryError: Unable to allocate 2 GiB":                        "memory ran out",
		"OSError: [Errno 12] Cannot allocate memory":                                                 "memory ran out",
		"/store/out/variables/variables.data-00000-of-00001.tempstate; No space left on device":      "the disk is full",
		"OSError: [Errno 28] No space left on device: '/store/out/saved_model.pb'":                   "the disk is full",
		"write failed: Disk quota exceeded":                                                          "the disk is full",
		"write /store/out/images.npy: file too large":                                                "a file would be larger than allowed",
		"OSError: [Errno 27] File too large":                                                         "a file would be larger than allowed",
		"pipe2: too many open files":                                                                 "too few files may be open",
		"libtensorflow_cc.so.2: cannot open shared object file: Error 24":                            "too few files may be open",
		"fork/exec bin/tlpipe-worker: resource temporarily unavailable":                              "too few processes and threads",
		"fatal error: newosproc":                                                                     "too few processes and threads",
		"runtime/cgo: pthread_create failed: Resource temporarily unavailable, SIGABRT":              "too few processes and threads",
		"RuntimeError: can't start new thread":                                                       "too few processes and threads",
		"libtensorflow_cc.so.2: failed to map segment from shared object":                            "too little address space",
		"fatal error: failed to reserve page summary memory":                                         "too little address space",
		"lib.so: failed to map segment from shared object: Operation not permitted":                  "",
		"signature train_step: Incompatible shapes: [16,5] vs. [15,5]":                               "",
		"F external/local_xla/xla/tsl/platform/default/env.cc:74] Check failed: ret == 0 (11 vs. 0)": "",
	} {
		err := FromText(errors.New(text), "oom when allocating", "resource_exhausted")
		if code := Code(err); (code == Resources) != (want != "") || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: code %d, %v", text, code, err)
		}
	}
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_AS, &before); err != nil {
		t.Fatal(err)
	}
	limited := syscall.Rlimit{Cur: 1 << 46, Max: before.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_AS, &limited); err != nil {
		t.Fatal(err)
	}
	if err := FromText(errors.New("std::bad_alloc")); Code(err) != Resources || !strings.Contains(err.Error(), "ulimit -v unlimited") {
		t.Errorf("under a limit: %v", err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_AS, &before); err != nil {
		t.Fatal(err)
	}
	if err := FromText(errors.New("OOM when allocating")); Code(err) != Failed {
		t.Errorf("a phrase that nobody gave: %v", err)
	}
	known := Errorf(Damaged, "no space left on device")
	if err := FromText(fmt.Errorf("load: %w", known)); Code(err) != Damaged || FromText(nil) != nil {
		t.Errorf("%v", err)
	}
}

func TestFromErrno(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.ENOSPC: "the disk is full: ", syscall.EDQUOT: "the disk is full: ", syscall.EFBIG: "a file would be larger than allowed: ",
		syscall.EMFILE: "too few files may be open: ", syscall.ENFILE: "too few files may be open: ", syscall.ENOMEM: "memory ran out: ",
		syscall.EACCES: "", syscall.EAGAIN: "",
	} {
		given := fmt.Errorf("keep it: %w", &fs.PathError{Op: "write", Path: "/store/f", Err: errno})
		err := FromErrno(given)
		if want == "" {
			if err != given {
				t.Errorf("%v: %v", errno, err)
			}
			continue
		}
		if Code(err) != Resources || !strings.HasPrefix(err.Error(), want+"keep it: write /store/f: ") || FromErrno(err) != err {
			t.Errorf("%v: code %d, %v", errno, Code(err), err)
		}
	}
	if err := FromErrno(errors.New("no space left on device")); Code(err) != Failed {
		t.Errorf("a text alone: %v", err)
	}
	if FromErrno(nil) != nil {
		t.Error("no error became one")
	}
}
