#!/bin/sh
# musl-python.sh -- a CPython on musl for this x86_64 machine, with pip and cffi, to try the wheels for musl with.
# usage: tools/musl-python.sh FOLDER      FOLDER/bin/python3, ten minutes
#
# CPython and zlib from Debian's source, compiled by zig, which has musl's headers; musl's loader from Debian's
# package; cffi from its own wheel for musl. Nothing outside the clone is touched, and no root is needed.
set -eu
cd "$(dirname "$0")/.."
. tools/common.sh
top=$(pwd -P)/build/musl suite=${SUITE:-trixie} version=${VERSION:-3.13}
to=$1
[ ! -e "$to/bin/cffi.ready" ] || exit 0
zig=$(.venv/bin/python -c 'import os, ziglang; print(os.path.dirname(ziglang.__file__))')/zig
rm -rf "$top"
mkdir -p "$top" "$to"
to=$(cd "$to" && pwd -P)
sh tools/debian.sh alone "$suite" amd64 "$to/musl" musl
sh tools/debian.sh source "$suite" "$top/zlib" zlib
sh tools/debian.sh source "$suite" "$top/python" "python$version"
loader=$(find "$to/musl" -name libc.so)
ZIG_GLOBAL_CACHE_DIR=$(pwd)/build/portable/cache ZIG_LOCAL_CACHE_DIR=$(pwd)/build/portable/cache
CC="$zig cc -target x86_64-linux-musl -dynamic" AR="$zig ar" RANLIB="$zig ranlib"
LDFLAGS="-Wl,--dynamic-linker=$loader" CFLAGS='-O1 -fno-sanitize=undefined -fPIC -Wno-date-time'
export ZIG_GLOBAL_CACHE_DIR ZIG_LOCAL_CACHE_DIR CC AR RANLIB LDFLAGS CFLAGS
(cd "$top/zlib" && ./configure --static --prefix="$top/root" && make -j "$(processors)" libz.a &&
    make install) >"$top/log" 2>&1 || die "zlib: see $top/log"
say "compiling CPython $version on musl"
CFLAGS="$CFLAGS -I$top/root/include" LDFLAGS="$LDFLAGS -L$top/root/lib"
# configure does not recognise this musl; wheels for musl have its name in their files.
abi=cpython-$(echo "$version" | tr -d .)-x86_64-linux-musl
(cd "$top/python" && PKG_CONFIG=/bin/false ./configure --prefix="$to" --without-ensurepip --disable-test-modules \
    ZLIB_CFLAGS="-I$top/root/include" ZLIB_LIBS="-L$top/root/lib -lz" &&
    make -j "$(processors)" SOABI="$abi" EXT_SUFFIX=".$abi.so" &&
    make install SOABI="$abi" EXT_SUFFIX=".$abi.so") >>"$top/log" 2>&1 || die "CPython: see $top/log"
# pip runs from its own archive; what it installs are wheels.
unset CC CFLAGS LDFLAGS
.venv/bin/python -m pip download -q --no-deps -d "$top/wheels" pip setuptools
.venv/bin/python -m pip download -q --platform musllinux_1_2_x86_64 --python-version "$version" \
    --only-binary :all: -d "$top/wheels" 'cffi >= 1.15'
PYTHONPATH=$(echo "$top"/wheels/pip-*.whl) "$to/bin/python3" -m pip install -q --no-index \
    --find-links "$top/wheels" pip cffi
: >"$to/bin/cffi.ready"
rm -rf "$top"
