#!/bin/sh
# wheels.sh -- wheels for machines without a compiler, all of them made on this one by zig's compiler.
# usage: tools/wheels.sh build [TARGET...]    leaves the source distribution and the wheels in dist/
#        tools/wheels.sh check                what dist/ holds is what an index and pip take
#        tools/wheels.sh try                  the wheel for this machine is installed, without a compiler, and serves
#        tools/wheels.sh targets              the names, with the platform that each wheel is for
#
# Each holds the core with libuv linked in. One for a target serves every CPython from 3.9 on (cp39-abi3); beside
# it stands one with the accelerator for each version, which pip prefers. Two builds of one commit, wherever, give
# the same bytes.
#   PYTHONS='3.11 3.13'    the versions that get the accelerator; own: that of .venv; none
#   SOURCE_DATE_EPOCH=N    the time in the archives, instead of the commit's
set -eu
cd "$(dirname "$0")/.."
. tools/common.sh
here=$(pwd -P) top=build/wheels python=.venv/bin/python
versions=${PYTHONS:-3.9 3.10 3.11 3.12 3.13 3.14}
[ "$versions" != none ] || versions=''

# The target's name, the wheel's platform, zig's target. glibc 2.17 is manylinux2014's; zig has ppc64le from
# 2.19, whose symbols are the same; riscv64 has no older name than 2.31's. zig's musl is 1.2; musl 1.1 had
# another time_t on 32 bits.
targets='
x86_64-manylinux   manylinux_2_17_x86_64   x86_64-linux-gnu.2.17
aarch64-manylinux  manylinux_2_17_aarch64  aarch64-linux-gnu.2.17
armv7l-manylinux   manylinux_2_17_armv7l   arm-linux-gnueabihf.2.17
i686-manylinux     manylinux_2_17_i686     x86-linux-gnu.2.17
ppc64le-manylinux  manylinux_2_17_ppc64le  powerpc64le-linux-gnu.2.19
s390x-manylinux    manylinux_2_17_s390x    s390x-linux-gnu.2.17
riscv64-manylinux  manylinux_2_31_riscv64  riscv64-linux-gnu.2.31
x86_64-musllinux   musllinux_1_2_x86_64    x86_64-linux-musl
aarch64-musllinux  musllinux_1_2_aarch64   aarch64-linux-musl
armv7l-musllinux   musllinux_1_2_armv7l    arm-linux-musleabihf
i686-musllinux     musllinux_1_2_i686      x86-linux-musl
ppc64le-musllinux  musllinux_1_2_ppc64le   powerpc64le-linux-musl
s390x-musllinux    musllinux_1_2_s390x     s390x-linux-musl
riscv64-musllinux  musllinux_1_2_riscv64   riscv64-linux-musl
x86_64-macos       macosx_11_0_x86_64      x86_64-macos.11.0
arm64-macos        macosx_11_0_arm64       aarch64-macos.11.0'
# field TARGET N: of the table.
field() { echo "$targets" | awk -v name="$1" -v n="$2" '$1 == name { print $n }'; }

# ---- build ---------------------------------------------------------------------------------------------

# Debian's suites with a Python, for versions that are not on this machine.
suite_of() { case $1 in 3.9) echo bullseye ;; 3.11) echo bookworm ;; 3.13) echo trixie ;; 3.14) echo sid ;; esac; }

# Prints an interpreter of this version with its headers: from PATH, or one of pyenv's.
interpreter_of() {
    for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python3; do
        if "$candidate" -c 'import os, sys, sysconfig
wanted = "%d.%d" % sys.version_info[:2] == sys.argv[1] and sys.implementation.name == "cpython"
there = os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))
sys.exit(not (wanted and there))' "$1" 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
}

find_headers() {
    folder=$top/python-$1
    interpreter=$(interpreter_of "$1")
    if [ -z "$interpreter" ]; then
        suite=$(suite_of "$1")
        [ -n "$suite" ] || die "there are no headers of Python $1 here: install it, or PYTHONS='...' without it"
        interpreter=$top/debian-$1
        [ -e "$interpreter/usr/include/python$1/Python.h" ] ||
            sh tools/debian.sh alone "$suite" amd64 "$interpreter" "libpython$1-dev"
        interpreter=$interpreter/usr/include/python$1
    fi
    sh tools/portable.sh headers "$interpreter" "$folder"
}

make_sdist() {
    rm -rf $top/sdist
    mkdir -p $top/sdist
    $python -m build --sdist --no-isolation --outdir $top/sdist . >$top/sdist.log 2>&1 || die "see $top/sdist.log"
    archive=$(echo "$here"/$top/sdist/*.tar.gz)
}

# libuv's licence goes into the wheel, which setup.py looks for by this name, and what was linked is named there.
write_notice() {
    version=$(sed -n 's/^#define UV_VERSION_[MP][A-Z]* *\([0-9]*\)$/\1/p' build/libuv/source/include/uv/version.h |
        paste -s -d . -)
    {
        printf 'This wheel has libuv %s in it, linked statically into fapws/_core. Its licences:\n\n' "$version"
        cat build/libuv/source/LICENSE
        printf '\n'
        cat build/libuv/source/LICENSE-extra
    } >"$1"
}

# Everything is made from the source distribution, so that it is seen to be whole.
build_one() {
    target=$1 platform=$(field "$1" 2) zig_target=$(field "$1" 3)
    [ -n "$zig_target" ] || die "there is no target $target (tools/wheels.sh targets)"
    work=$here/$top/$target
    rm -rf "$work/source" "$work/dist"
    mkdir -p "$work/source"
    gzip -dc "$archive" | tar xf - -C "$work/source"
    source=$(echo "$work"/source/fapws-*)
    write_notice "$source/LICENSE.libuv"
    CC="$zig cc -target $zig_target" AR="$zig ar" CFLAGS="-fno-sanitize=undefined -I$here/build/portable/python"
    LDSHARED="$CC -shared"
    case $target in *-macos) LDSHARED="$LDSHARED -undefined dynamic_lookup" ;; esac
    export CC AR CFLAGS LDSHARED
    eval "$(sh tools/libuv.sh build "$top/$target/libuv")"
    LIBUV_CFLAGS="-I$here/build/libuv/source/include" LIBUV_LIBS="$here/$LIBUV_LIBS" FAPWS_PURE=1 FAPWS_WERROR=1
    export LIBUV_CFLAGS LIBUV_LIBS FAPWS_PURE FAPWS_WERROR
    (cd "$source" && "$here/$python" -W ignore setup.py -q bdist_wheel --plat-name "$platform" \
        --dist-dir "$work/dist") >"$work/log" 2>&1 || { tail -20 "$work/log" >&2; die "$target: see $top/$target/log"; }
    wheel=$(echo "$work"/dist/*.whl)
    for version in $versions; do
        add_accelerator >>"$work/log" 2>&1 || { tail -20 "$work/log" >&2; die "$target, $version: see $top/$target/log"; }
    done
    cp "$work"/dist/*.whl dist/
    rm -rf "$work/source" "$work/unpacked"
    say "$target: $(cd "$work/dist" && echo *.whl)"
}

# The wheel for every version, with the accelerator for one. The file's name needs no version and no machine:
# that of the wheel has them, and every CPython takes a plain .so. macOS' linker writes the path of its output
# into it, and without -s those of the objects: neither is to be of this clone.
add_accelerator() {
    tag=cp$(echo "$version" | tr -d .)
    rm -rf "$work/unpacked"
    "$here/$python" -m wheel unpack -d "$work/unpacked" "$wheel"
    inside=$(echo "$work"/unpacked/*)
    # shellcheck disable=SC2086
    (cd "$source" && $LDSHARED $C_BASE -O2 -DNDEBUG -fPIC -fvisibility=hidden -fno-sanitize=undefined -s \
        -isystem "$here/$top/python-$version" -o accelerator.so csrc/python/*.c) || return 1
    mv "$source/accelerator.so" "$inside/fapws/_accelerator.so" || return 1
    sed "s/^Tag: cp39-abi3-/Tag: $tag-$tag-/" "$inside"/*.dist-info/WHEEL >"$work/WHEEL" || return 1
    mv "$work/WHEEL" "$inside"/*.dist-info/WHEEL
    "$here/$python" -m wheel pack -d "$work/dist" "$inside"
}

build() {
    # shellcheck disable=SC2046
    [ $# -gt 0 ] || set -- $(echo "$targets" | awk '{ print $1 }')
    zig=$($python -c 'import os, ziglang; print(os.path.dirname(ziglang.__file__))')/zig
    ZIG_GLOBAL_CACHE_DIR=$here/build/portable/cache ZIG_LOCAL_CACHE_DIR=$here/build/portable/cache
    SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 946684800)}
    export ZIG_GLOBAL_CACHE_DIR ZIG_LOCAL_CACHE_DIR SOURCE_DATE_EPOCH
    umask 022
    mkdir -p $top
    sh tools/libuv.sh source
    sh tools/portable.sh headers
    [ "$versions" != own ] || versions=$($python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    PYTHONS=${versions:-none}
    export PYTHONS
    for version in $versions; do find_headers "$version"; done
    make_sdist
    rm -rf dist
    mkdir -p dist
    cp "$archive" dist/
    export archive zig
    # One after the other by programs of their own: each has another CC.
    for target; do
        sh tools/wheels.sh one "$target" || failed="${failed:-} $target"
    done
    [ -z "${failed:-}" ] || die "no wheel for:$failed"
}

# ---- check ---------------------------------------------------------------------------------------------

# auditwheel looks at glibc's wheels only: those of musl ask for libc.so, which is a text on a machine with glibc.
names_libuv='import re, sys, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
text = {name.split("/", 1)[1]: wheel.read(name).decode() for name in wheel.namelist() if ".dist-info/" in name}
notice = re.match(r"This wheel has libuv \d+[.]\d+[.]\d+ in it", text.get("licenses/LICENSE.libuv", ""))
sys.exit(not (notice and re.search("^License.*: BSD-2-Clause AND ISC AND MIT$", text["METADATA"], re.M)))'
check() {
    bin=.venv/bin
    $bin/twine check --strict dist/* || die 'an index would refuse these'
    $bin/check-wheel-contents dist/*.whl || die 'a wheel holds what it should not'
    for wheel in dist/*.whl; do
        $python -c "$names_libuv" "$wheel" || die "$wheel: does not name libuv, its version and its licences"
        case $wheel in
            *-abi3-*) $bin/abi3audit --strict --assume-minimum-abi3 3.9 "$wheel" ||
                die "$wheel is not for every Python from 3.9 on" ;;
        esac
        case $wheel in
            *manylinux*) wanted=${wheel##*-}
                # auditwheel wraps its lines.
                $bin/auditwheel show "$wheel" | tr '\n' ' ' | grep -q "\"${wanted%.whl}\"" ||
                    { $bin/auditwheel show "$wheel"; die "$wheel asks for more than its name says"; } ;;
        esac
    done
    (cd dist && if have sha256sum; then sha256sum -- *; else shasum -a 256 -- *; fi) >$top/SHA256SUMS
    mv $top/SHA256SUMS dist/
    cat dist/SHA256SUMS
}

# ---- try -----------------------------------------------------------------------------------------------

# PATH holds no compiler, no pkg-config and no git; cffi comes as a wheel.
try() {
    rm -rf $top/try
    base=$(cat .venv/.base)
    "$base" -m venv $top/try
    mkdir $top/try/path
    for program in sh env cat sleep; do ln -s "$(command -v $program)" $top/try/path/; done
    (
        # shellcheck disable=SC2123
        PATH=$here/$top/try/path
        export PATH
        unset CC CFLAGS LIBUV_CFLAGS LIBUV_LIBS
        $top/try/bin/python -m pip install -q --disable-pip-version-check --only-binary :all: 'cffi >= 1.15'
        $top/try/bin/python -m pip install -q --disable-pip-version-check --no-index --find-links dist fapws
    )
    $top/try/bin/python tools/serve_once.py $top/try/bin/fapws
    # And as the wheel for every version does it.
    FAPWS_PURE=1 $top/try/bin/python tools/serve_once.py $top/try/bin/fapws
}

case ${1:-} in
    build) shift; build "$@" ;;
    one) build_one "$2" ;;
    check) check ;;
    try) try ;;
    targets) echo "$targets" | awk 'NF { print $1, $2 }' ;;
    *) die 'usage: tools/wheels.sh build [TARGET...] | check | try | targets' ;;
esac
