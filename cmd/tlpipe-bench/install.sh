#!/bin/sh
# Creates the virtual environment .deps/bench in the working directory: the peers of `make bench` that neither tlpipe nor
# its PyTorch half needs, pinned and hashed. Done once, with the Python of .deps.
set -eu
here=$(dirname "$0")
venv=$PWD/.deps/bench

key=$(cat "$here/requirements.txt" "$0" | cksum | tr ' ' '-')
if [ "$(cat "$venv/stamp" 2>/dev/null)" = "$key" ] && "$venv/bin/python" -c '' 2>/dev/null; then
	exit 0
fi
echo "installing ONNX Runtime and OpenVINO into .deps/bench (about 100 MB to download)"
rm -rf "$venv"
mkdir -p "$venv"
log=$venv/install.log
if ! { .deps/bin/python -m venv "$venv" && "$venv/bin/python" -m pip install --no-cache-dir --disable-pip-version-check --no-input \
	--require-hashes --only-binary=:all: -r "$here/requirements.txt"; } >"$log" 2>&1; then
	echo "error: the peers could not be installed, see the end of $log; check the network, or set a mirror or proxy in pip's settings, and run make bench again" >&2
	exit 1
fi
echo "$key" >"$venv/stamp.tmp"
mv "$venv/stamp.tmp" "$venv/stamp"
