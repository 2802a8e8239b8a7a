#!/bin/sh
# Creates the virtual environment .deps/pytorch in the working directory: PyTorch and torchvision, pinned and hashed,
# for the CPU. Done once, as savedmodels/install.sh does it, whose Python it takes.
set -eu
here=$(dirname "$0")
venv=$PWD/.deps/pytorch

fail() {
	echo "error: $1" >&2
	exit 1
}

key=$(cat "$here/requirements.txt" "$0" | cksum | tr ' ' '-')
if [ "$(cat "$venv/stamp" 2>/dev/null)" = "$key" ] && "$venv/bin/python" -c '' 2>/dev/null; then
	exit 0
fi

free=$(df -Pk . | awk 'NR == 2 { print int($4 / 1024) }')
[ "$free" -ge 3000 ] || fail "the disk has $free MB free here, and PyTorch with its download takes 3000; make room and run make pytorch again"

echo "installing PyTorch into .deps/pytorch (about 580 MB to download)"
rm -rf "$venv"
mkdir -p "$venv/tmp"
log=$venv/install.log
TMPDIR=$venv/tmp
export TMPDIR
.deps/bin/python -m venv "$venv" >"$log" 2>&1 || fail "python -m venv failed, see $log; run make deps, then make pytorch again"
"$venv/bin/python" -m pip install --no-cache-dir --disable-pip-version-check --no-input --require-hashes --no-deps --only-binary=:all: \
	-r "$here/requirements.txt" >>"$log" 2>&1 ||
	fail "pip could not install PyTorch, see the end of $log; check the network, or set a mirror or proxy in pip's settings, and run make pytorch again"

# The package index has PyTorch for Linux with CUDA alone, whose libraries take 2 GB more and have to be there when
# PyTorch starts, although without a GPU none of their functions is called. So a library of the same names and versions
# stands in for them, in which each function stops the process.
site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
lib=$site/nvidia/cu13/lib
each() {
	for so in "$site"/torch/lib/lib*.so; do
		readelf --wide "$1" "$so"
	done
}
each --dyn-syms | awk '$7 == "UND" && $8 ~ /^(cu|nv|nccl)/ && $8 !~ /@libcudart/ { print $8 }' | sort -u >"$TMPDIR/functions"
sed 's/@.*//; s/.*/void &(void) { __builtin_trap(); }/' "$TMPDIR/functions" | sort -u >"$TMPDIR/absent.c"
awk -F@ '$2 { of[$2] = of[$2] $1 "; " } END { for (version in of) print version " { " of[version] "};" }' "$TMPDIR/functions" >"$TMPDIR/absent.map"
"${CC:-cc}" -shared -fPIC -nostdlib -Wl,--version-script="$TMPDIR/absent.map" -o "$lib/libcuda_absent.so" "$TMPDIR/absent.c" >>"$log" 2>&1 ||
	fail "the C compiler could not build what stands in for CUDA, see the end of $log"
each --dynamic | sed -n 's/.*(NEEDED).*\[\(lib\(cu\|nv\|nccl\).*\)\]/\1/p' | sort -u | while read -r name; do
	[ -e "$lib/$name" ] || [ "$name" = libcuda.so.1 ] || ln -s libcuda_absent.so "$lib/$name"
done
"$venv/bin/python" -c 'import torch, torchvision' >>"$log" 2>&1 || fail "PyTorch does not start, see the end of $log"
rm -rf "$venv/tmp"
echo "$key" >"$venv/stamp.tmp"
mv "$venv/stamp.tmp" "$venv/stamp"
