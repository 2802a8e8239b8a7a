#!/bin/sh
# Builds ../heif.wasm.gz: libheif with libde265 and dav1d as one WebAssembly module without threads, files or exceptions.
#
#   build.sh SOURCES
#
# SOURCES holds the checkouts libheif (v1.23.1), libde265 (v1.1.1) and dav1d (1.5.3) of github.com/strukturag/libheif,
# github.com/strukturag/libde265 and github.com/videolan/dav1d; nothing in them is changed. The compiler is Zig 0.17.1
# (`zig` in the path), whose clang and C library come in one package. The same compiler gives the same bytes.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for pin in libheif:2c4bbb54c2738d4a5efbbe3e5fa1d5d76bb88eb0 libde265:4dd701fffac01632ffd5cabc5ef10deb56accba1 dav1d:b546257f770768b2c88258c533da38b91a06f737; do
	git -C "$1/${pin%%:*}" archive --prefix="${pin%%:*}/" "${pin##*:}" | tar x -C "$out"
done
cd "$out"

# libheif: no threads; the border of bilinear upsampling takes the chroma beside it, not that of half the way.
sed -i '/de265_start_worker_threads/d' libheif/libheif/plugins/decoder_libde265.cc
sed -i 's/\bc\([xy]\) \/ 2/c\1/g' libheif/libheif/color-conversion/chroma_sampling.cc
sed 's/@PROJECT_VERSION_MAJOR@/1/g; s/@PROJECT_VERSION_MINOR@/23/g; s/@PROJECT_VERSION_PATCH@/1/g; s/@PLUGIN_DIRECTORY@//' \
	libheif/libheif/api/libheif/heif_version.h.in >libheif/libheif/api/libheif/heif_version.h
sed 's/@NUMERIC_VERSION@/0x01010100/; s/@PACKAGE_VERSION@/1.1.1/' libde265/libde265/de265-version.h.in >libde265/libde265/de265-version.h
echo '#define DAV1D_VERSION "1.5.3"' >dav1d/vcs_version.h
cp "$here/include/dav1d-config.h" dav1d/config.h

common="-target wasm32-wasi -msimd128 -DNDEBUG -fvisibility=hidden -w -ffile-prefix-map=$out=. -D_WASI_EMULATED_SIGNAL -DHAVE_POSIX_MEMALIGN"
cxx="zig c++ $common -std=c++20 -fno-exceptions -I$here/include -include $here/include/threads.h -DLIBDE265_STATIC_BUILD -DLIBHEIF_STATIC_BUILD"
c="zig cc $common -std=c11 -D_GNU_SOURCE"
{
	for f in libde265/libde265/*.cc; do
		case $f in */image-io.cc | */visualize.cc | */quality.cc) continue ;; esac
		echo "$cxx -O3 -Ilibde265 -Ilibde265/libde265 -c $f"
	done
	heif=libheif/libheif
	for f in $heif/*.cc $heif/image/*.cc $heif/api/libheif/*.cc $heif/codecs/*.cc $heif/image-items/*.cc $heif/color-conversion/*.cc \
		$heif/sequences/*.cc $heif/plugins/decoder_libde265.cc $heif/plugins/decoder_dav1d.cc $heif/plugins/encoder_mask.cc; do
		case $f in */plugins_*.cc | */heif_experimental.cc | */unc_image.cc) continue ;; esac
		echo "$cxx -O2 -I$heif -I$heif/api -Ilibde265 -Idav1d/include -DHAVE_LIBDE265=1 -DHAVE_DAV1D=1 -Dmkstemp(x)=-1 -Dthrow=__builtin_abort(), -c $f"
	done
	for f in cdf cpu ctx data decode dequant_tables getbits intra_edge itx_1d lf_mask lib log mem msac obu pal picture qm ref \
		refmvs scan tables thread_task warpmv wedge; do
		echo "$c -O3 -Idav1d -Idav1d/include -Idav1d/include/dav1d -Idav1d/src -c dav1d/src/$f.c"
	done
	for f in dav1d/src/*_tmpl.c; do
		for depth in 8 16; do
			echo "$c -O3 -Idav1d -Idav1d/include -Idav1d/include/dav1d -Idav1d/src -DBITDEPTH=$depth -c $f"
		done
	done
	echo "$c -O2 -I$heif/api -DLIBHEIF_STATIC_BUILD -c $here/decode.c"
} | awk '{ printf "%s -o %04d.o\n", $0, NR }' | tr '\n' '\0' | xargs -0 -P "$(nproc)" -I{} sh -c 'set -f; IFS=" "; exec $0' {}

zig c++ -target wasm32-wasi -O2 -s -mexec-model=reactor -Wl,--export=malloc -Wl,-z,stack-size=2097152 -Wl,--gc-sections -o heif.wasm [0-9]*.o
gzip -9n <heif.wasm >"$here/../heif.wasm.gz"
for f in libheif/COPYING libde265/COPYING dav1d/COPYING; do
	cp "$f" "$here/../LICENSE.${f%%/*}"
done
