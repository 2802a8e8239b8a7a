#!/bin/sh
# Creates the virtual environment .deps in the working directory: TensorFlow, Keras and onnx, pinned and hashed.
# Done once: the stamp, written last, holds what was installed, so that a broken or older environment is made anew.
set -eu
here=$(dirname "$0")
deps=$PWD/.deps

fail() {
	printf 'error: %s\n' "$1" >&2 # echo would take a backslash for something else
	exit 1
}

# Where compilers, linkers and Python's environments take a character of the path for something else.
case $(pwd -P) in
*[[:space:]\"\'\`\$\\:,]*)
	fail "the path of this clone ($(pwd -P)) has a space or one of \" ' \` \$ \\ : , in it, which building does not bear; move the clone to a path without them and run make again"
	;;
esac
command -v go >/dev/null 2>&1 || fail "Go was not found; install Go 1.26 or newer (https://go.dev/dl) and run make again"
go=$(go version 2>/dev/null || GOTOOLCHAIN=local go version) # a newer Go that go.mod asks for may not be had
case $go in
*" go1."[0-9]" "* | *" go1."[0-9].* | *" go1."1[0-9]* | *" go1."2[0-5]*)
	fail "Go is too old ($go); install Go 1.26 or newer (https://go.dev/dl) and run make again"
	;;
esac
command -v "${CC:-cc}" >/dev/null 2>&1 || command -v gcc >/dev/null 2>&1 ||
	fail "no C compiler was found; install one (Debian, Ubuntu: the package gcc) and run make again"
said=$(go mod download 2>&1) ||
	fail "the Go modules could not be downloaded ($(echo "$said" | tail -n 1)); check the network, or set GOPROXY to a mirror, and run make again"

# GPU=1 takes the build for NVIDIA's GPUs, GPU=0 that for CPUs. Otherwise the one that is installed stays.
case ${GPU-} in
1) build=-gpu ;;
0) build= ;;
*) build=$(cat "$deps/build" 2>/dev/null || :) ;;
esac
requirements=$here/requirements$build.txt

# What decides what is installed: the pinned packages, and this script from this line on.
key=$({ cat "$requirements" && sed -n '/^# What decides/,$p' "$0"; } | cksum | tr ' ' '-')
if [ "$(cat "$deps/stamp" 2>/dev/null)" = "$key" ] && [ -e "$deps/tensorflow/libtensorflow_cc.so.2" ] &&
	"$deps/bin/python" -c '' 2>/dev/null; then
	exit 0
fi

python=
for candidate in python3 python3.13 python3.12 python3.11; do
	if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
		python=$candidate
		break
	fi
done
if [ -z "$python" ]; then
	found=$(python3 -c 'import platform; print("python3 is " + platform.python_version())' 2>/dev/null || echo "no python3 was found")
	fail "$found, and TensorFlow needs Python 3.11, 3.12 or 3.13; install one of them and run make again"
fi

needed=3000 download="350 MB"
[ -z "$build" ] || needed=10000 download="3 GB"
free=$(df -Pk . | awk 'NR == 2 { print int($4 / 1024) }')
[ "$free" -ge $needed ] || fail "the disk has $free MB free here, and TensorFlow with its download takes $needed; make room and run make again"

echo "installing TensorFlow and Keras into .deps (about $download to download)"
# Go's caches and downloaded weights stay, and what a link leads to is someone else's.
[ ! -L "$deps" ] || rm "$deps"
[ ! -e "$deps" ] || find "$deps" -mindepth 1 -maxdepth 1 ! -name go ! -name cache -exec rm -rf {} +
mkdir -p "$deps/tmp"
echo "$build" >"$deps/build"
log=$deps/install.log
TMPDIR=$deps/tmp
export TMPDIR
"$python" -m venv "$deps" >"$log" 2>&1 ||
	fail "$python -m venv failed, see $log; on Debian and Ubuntu the package python3-venv is needed; then run make again"
if ! "$deps/bin/python" -m pip install --no-cache-dir --disable-pip-version-check --no-input --require-hashes --only-binary=:all: \
	-r "$requirements" >>"$log" 2>&1; then
	if grep -q 'No space left' "$log"; then
		fail "the disk is full; make room ($needed MB) and run make again"
	elif grep -q 'DO NOT MATCH' "$log"; then
		fail "a downloaded package is not the pinned one, see $log; check the package mirror in pip's settings and run make again"
	elif grep -qE 'NewConnectionError|Temporary failure|ConnectTimeout|ReadTimeout|ProxyError|Connection (refused|reset)|Network is unreachable|Max retries|from versions: none' "$log"; then
		fail "the package index could not be reached, see $log; check the network, or set a mirror or proxy in pip's settings, and run make again"
	fi
	fail "pip could not install TensorFlow, see the end of $log; then run make again"
fi

# What the C linker looks for. The wheel's library exports TensorFlow's C interface under a name of its own.
site=$("$deps/bin/python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
[ -e "$site/tensorflow/libtensorflow_cc.so.2" ] || fail "the TensorFlow package has no libtensorflow_cc.so.2, see $log; is this Linux on x86-64 or ARM64?"
ln -s "${site#"$deps/"}/tensorflow" "$deps/tensorflow"
ln -s ../tensorflow/libtensorflow_cc.so.2 "$deps/lib/libtensorflow.so"
ln -s ../tensorflow/libtensorflow_framework.so.2 "$deps/lib/libtensorflow_framework.so"
rm -rf "$deps/tmp"
echo "$key" >"$deps/stamp.tmp"
mv "$deps/stamp.tmp" "$deps/stamp"
