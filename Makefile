# make run does all the set-up and runs the quickstart; make test passes the tests; make help lists the rest.

# Where the user has no settings and no Go caches yet, what Go counts, downloads and compiles stays in the clone.
ifeq ($(wildcard $(or $(XDG_CONFIG_HOME),$(HOME)/.config)),)
export XDG_CONFIG_HOME := $(CURDIR)/.deps/go/config
endif
ifeq ($(wildcard $(shell XDG_CONFIG_HOME='$(XDG_CONFIG_HOME)' go env GOMODCACHE 2>/dev/null)),)
export GOPATH := $(CURDIR)/.deps/go
export GOCACHE := $(CURDIR)/.deps/go/cache
export GOFLAGS := $(GOFLAGS) -modcacherw
endif

# Go 1.26 has vector instructions behind a switch: images are scaled with them, faster and to the same bytes.
ifneq ($(filter go1.26 go1.26.%,$(shell XDG_CONFIG_HOME='$(XDG_CONFIG_HOME)' go env GOVERSION)),)
export GOEXPERIMENT = simd
endif

# Keras keeps its settings in the clone too.
export KERAS_HOME := $(CURDIR)/.deps/cache/keras

# How cgo finds libtensorflow in .deps. Where it stands in the system's library path, `go build ./...` needs none of this.
CGO = CGO_ENABLED=1 CGO_CFLAGS="-O2 -I$(CURDIR)/.deps/tensorflow/include" \
	CGO_LDFLAGS="-L$(CURDIR)/.deps/lib"
# How a program finds it when it runs: from its own place, so that the clone can be moved. Go's own linker would leave
# the path out of programs whose only C code is the standard library's.
# RPATH, unlike RUNPATH, goes before LD_LIBRARY_PATH: the library that keys name is the one that runs.
RPATH = -linkmode=external -extldflags "-Wl,--disable-new-dtags,-rpath,$(1)"

# What a program was built from, so that a command refuses a worker of other sources. (Lazy: only builds pay for it.)
SOURCES = $(shell { find cmd/tlpipe cmd/tlpipe-worker pipeline report stages savedmodels -name '*.go' ! -name '*_test.go' -o -name '*.py' -o -name '*.txt' -o -name '*.html' -o -name '*.css' -o -name '*.js' -o -name '*.sha256' -o -name 'architectures.json' | \
	LC_ALL=C sort | xargs cat go.mod go.sum; echo '$(GOEXPERIMENT)'; } | sha256sum | cut -c1-16)
STAMP = -X tlpipe/pipeline/worker.build=$(SOURCES)

# Builds both programs in the folder $(1) with the flags $(2), from which .deps is found at $(3)/.deps: under temporary names
# first, so that a failed build leaves the two that fit together.
BUILD = mkdir -p $(1) && \
	CGO_ENABLED=0 go build $(2) -ldflags '$(STAMP)' -o $(1)/.tlpipe.new ./cmd/tlpipe && \
	$(CGO) go build $(2) -ldflags '$(STAMP) $(call RPATH,$$ORIGIN/$(3)/.deps/tensorflow)' -o $(1)/.tlpipe-worker.new ./cmd/tlpipe-worker && \
	mv $(1)/.tlpipe-worker.new $(1)/tlpipe-worker && mv $(1)/.tlpipe.new $(1)/tlpipe

# A folder with overlays NAME.overlay.yaml for the configs whose official hosts cannot be reached.
DATA ?= ../shared/data

# How long make fuzz spends on each target.
FUZZTIME ?= 30s

.PHONY: bin/failpoint bench bench-audit bench-gpu bench-tutorial help deps build build-system pytorch run test test-fast test-gpu test-pytorch fuzz torture race-fast race audit test-data lint figures cases search tutorial tutorial-figures clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## install TensorFlow and Keras into .deps (nothing outside the clone); GPU=1 takes the build for NVIDIA's GPUs
	@GPU=$(GPU) savedmodels/install.sh

build: deps ## build bin/tlpipe and the worker that links TensorFlow
	@$(call BUILD,bin,,..)

build-system: deps ## build as where libtensorflow stands in the system's paths
	@mkdir -p bin/system && ln -sfn $(CURDIR)/.deps/tensorflow/include bin/system/include && ln -sfn $(CURDIR)/.deps/lib bin/system/lib
	@CGO_CFLAGS="-O2 -I$(CURDIR)/bin/system/include" LIBRARY_PATH=$(CURDIR)/bin/system/lib \
		LD_LIBRARY_PATH=$(CURDIR)/.deps/tensorflow go build ./...

pytorch: deps ## install PyTorch into .deps/pytorch, for the tutorial's other half
	@pytorch/install.sh

# Programs that can be told to die at a named place of a commit: pipeline/failpoint.
bin/failpoint: build
	@$(call BUILD,bin/failpoint,-tags failpoint,../..)

run: build ## run the quickstart
	@bin/tlpipe run configs/quickstart.yaml

lint: deps ## check the code's form and the configs
	@test -z "$$(gofmt -l cmd pipeline report savedmodels stages)" || { echo "not gofmt-ed:"; gofmt -l cmd pipeline report savedmodels stages; exit 1; }
	@go vet -tags notensorflow ./...
	@GOEXPERIMENT= go vet ./stages/imagefile
	@go run -tags notensorflow ./cmd/tlpipe lint configs/*.yaml configs/tutorial/case?.yaml

test-fast: deps ## run the tests that need no TensorFlow
	@go test -tags notensorflow ./...
	@go test -tags 'notensorflow failpoint' -run Killed ./pipeline/store

test: lint test-fast bin/failpoint ## run all tests
	@$(CGO) go test -ldflags '$(call RPATH,$(CURDIR)/.deps/tensorflow)' -timeout 30m ./cmd/... ./savedmodels/... ./stages ./stages/decode ./stages/predict

fuzz: ## give each parser broken input for FUZZTIME (default 30s)
	@grep -rHo --include='*_test.go' '^func Fuzz[A-Za-z]*' pipeline savedmodels stages | sort | while IFS=: read -r file target; do \
		go test -tags notensorflow ./$$(dirname $$file) -run '^$$' -fuzz "^$${target#func }\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s || exit 1; done

bench: build pytorch ## measure tlpipe beside Keras, PyTorch, ONNX Runtime and OpenVINO, and how it scales (an hour, on an idle machine)
	@cmd/tlpipe-bench/install.sh
	@$(CGO) go build -ldflags '$(call RPATH,$$ORIGIN/../.deps/tensorflow)' -o bin/tlpipe-bench ./cmd/tlpipe-bench
	@DATA=$(DATA) .deps/bin/python cmd/tlpipe-bench/bench.py
	@.deps/bench/bin/python cmd/tlpipe-bench/plot.py
	@DATA=$(DATA) .deps/bin/python cmd/tlpipe-bench/runs.py

test-gpu: build ## run the tests of the runtime and the quickstart on a GPU
	@bin/tlpipe doctor | grep -q 'gpu:' || { echo "not run: TensorFlow finds no GPU here; make deps GPU=1 installs the build for NVIDIA's GPUs, and bin/tlpipe doctor shows what it finds" >&2; exit 1; }
	@$(CGO) go test -ldflags '$(call RPATH,$(CURDIR)/.deps/tensorflow)' -count=1 -v -run TestGPU ./savedmodels/tfruntime
	@bin/tlpipe run configs/quickstart.yaml --device gpu:0 --store artifacts/gpu

bench-audit: build ## hold the data audit against cleanlab on planted label errors (minutes)
	@python3 -m venv .deps/bench-audit && .deps/bench-audit/bin/pip install --quiet --disable-pip-version-check -r cmd/tlpipe-bench/requirements-audit.txt
	@.deps/bench-audit/bin/python cmd/tlpipe-bench/audit.py

bench-tutorial: build pytorch ## measure the tutorial's case 4, whole, beside a script that goes the notebook's way (half an hour)
	@DATA=$(DATA) .deps/bin/python cmd/tlpipe-bench/tutorial.py

bench-gpu: test-gpu ## measure README's configs on a GPU: accuracy, images/s, share of its peak (minutes)
	@DATA=$(DATA) .deps/bin/python cmd/tlpipe-bench/gpu.py

test-pytorch: build pytorch ## prove that the PyTorch half does the same
	@.deps/pytorch/bin/python -m unittest discover -v -s pytorch -p '*_test.py'

torture: bin/failpoint ## 500 kills and power cuts in runs and in all commands that write, and compare the results (half an hour)
	@CGO_ENABLED=0 go test ./cmd/tlpipe -run 'TestTorture|TestKilledCommands|TestPowerCuts|TestHostileEnvironment' -v -kills 200 -command-kills 200 -power-cuts 100 -timeout 60m

# Under the race detector a program sleeps for a second before it ends, unless told not to: tests run hundreds of commands.
race-fast race: export GORACE = atexit_sleep_ms=0

race-fast: ## run the tests that need no TensorFlow under the race detector
	@CGO_ENABLED=1 go test -race -tags notensorflow -timeout 30m ./...
	@CGO_ENABLED=1 go test -race -tags 'notensorflow failpoint' -run Killed ./pipeline/store

race: race-fast deps ## run the tests under the race detector, those of the runtime included
	@$(CGO) go test -race -ldflags '$(call RPATH,$(CURDIR)/.deps/tensorflow)' -timeout 30m ./savedmodels ./savedmodels/tfruntime ./cmd/tlpipe-worker

audit: deps ## look up the pinned Go modules and Python packages among known vulnerabilities
	@.ci/audit

test-data: build ## run small versions of the configs on the data in DATA
	@DATA=$(DATA) cmd/tlpipe-bench/figures/smoke.sh

figures: build ## reproduce README's figures of frozen networks (minutes)
	@DATA=$(DATA) cmd/tlpipe-bench/figures/figures.sh short

cases: build ## reproduce the rest of README's figures: whole networks trained, CIFAR-10 at 64 px (hours)
	@DATA=$(DATA) cmd/tlpipe-bench/figures/figures.sh long

search: build ## choose case4's settings by cross-validation inside its training images (half an hour)
	@.deps/bin/python cmd/tlpipe-bench/figures/case4_search.py $(addprefix --overlay ,$(wildcard $(DATA)/hymenoptera.overlay.yaml))

tutorial-figures: build pytorch ## reproduce README's figures beside the tutorial's notebook (half an hour)
	@DATA=$(DATA) cmd/tlpipe-bench/figures/figures.sh tutorial

tutorial: build pytorch ## run the four cases in Keras and PyTorch, small, and compare them on one page (minutes)
	@DATA=$(DATA) cmd/tlpipe-bench/figures/tutorial.sh

clean: ## delete what was built, but not the artifacts
	rm -rf bin .deps
