#!/bin/sh
# portable.sh -- the C code for machines and systems that this one is not, by one compiler that knows them all
# (zig's, with the headers of their C libraries; tools/setup.sh portable installs it into .venv).
# usage: tools/portable.sh check [TARGET...]     every file of csrc/ compiles, without a single warning; for
#                                                OpenBSD and FreeBSD the core is linked too, with libuv
#        tools/portable.sh run [TARGET...]       the C tests, with UBSan where zig has it
#        tools/portable.sh headers [PYTHON [FOLDER]]
#                                                leaves Python's headers for all of them in FOLDER
#                                                (build/portable/python); PYTHON is a program, or a folder with
#                                                headers as Debian lays them out (.venv's)
#
# run is for Linux: static programs, under qemu-user unless this machine runs them itself.
set -eu
cd "$(dirname "$0")/.."
. tools/common.sh
work=${1:-}
[ $# = 0 ] || shift
top=build/portable
python=.venv/bin/python
[ -x $python ] || die 'first: sh tools/setup.sh portable'
zig=$($python -c 'import os, ziglang; print(os.path.dirname(ziglang.__file__))')/zig
mkdir -p $top
ZIG_LOCAL_CACHE_DIR=$(pwd)/$top/cache
ZIG_GLOBAL_CACHE_DIR=$ZIG_LOCAL_CACHE_DIR
export ZIG_LOCAL_CACHE_DIR ZIG_GLOBAL_CACHE_DIR

# riscv32 and mips: an atomic number of 64 bits needs a library there, which is a warning.
checked='x86_64-linux-gnu x86_64-linux-musl aarch64-linux-gnu aarch64-linux-musl arm-linux-gnueabihf
    arm-linux-musleabihf x86-linux-gnu x86-linux-musl riscv64-linux-gnu riscv64-linux-musl s390x-linux-gnu
    s390x-linux-musl riscv32-linux-musl mips-linux-musleabihf x86_64-openbsd aarch64-openbsd arm-openbsd-eabi
    x86_64-freebsd aarch64-freebsd x86_64-netbsd aarch64-netbsd x86_64-macos aarch64-macos'
runs='x86-linux-musl aarch64-linux-musl arm-linux-musleabihf s390x-linux-musl'

# ---- check ---------------------------------------------------------------------------------------------

# where PYTHON: sets headers, a folder, and config, pyconfig.h with the numbers of a machine: Debian's own only
# includes that, from another folder.
where() {
    if [ -d "$1" ]; then
        headers=$1 config=$(echo "${1%/*}"/*/"${1##*/}"/pyconfig.h)
        return
    fi
    eval "$("$1" -c 'import os, sysconfig
config = sysconfig.get_config_h_filename()
include, version = os.path.split(os.path.dirname(config))
own = os.path.join(include, sysconfig.get_config_var("MULTIARCH") or "", version, "pyconfig.h")
print("headers=%r config=%r" % (sysconfig.get_path("include"), own if os.path.exists(own) else config))')"
}

# Python's headers, with the sizes and the byte order of the machine that is compiled for.
copy_python_headers() {
    to=${2:-$top/python}
    where "${1:-$python}"
    rm -rf "$to"
    cp -R "$headers" "$to"
    {
        cat "$config"
        for type in LONG VOID_P:POINTER SIZE_T UINTPTR_T:POINTER WCHAR_T; do
            printf '#undef SIZEOF_%s\n#define SIZEOF_%s __SIZEOF_%s__\n' "${type%:*}" "${type%:*}" "${type#*:}"
        done
        printf '#undef WORDS_BIGENDIAN\n#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__\n#define WORDS_BIGENDIAN 1\n#endif\n'
    } >"$to.config"
    rm -f "$to/pyconfig.h"
    mv "$to.config" "$to/pyconfig.h"
}

# compile FLAGS FILES...: the objects are thrown away.
compile() {
    # shellcheck disable=SC2086
    "$zig" cc -target "$target" $flags "$@" || failed=1
}

static_libuv() {
    CC="$zig cc -target $target" AR="$zig ar" CFLAGS='-O0 -fno-sanitize=undefined' \
        sh "$here/tools/libuv.sh" build "$top/libuv-$target" >/dev/null || die "libuv does not compile for $target"
    echo "$here/$top/libuv-$target/libuv.a"
}

# The core as that system has it, linked where zig has that system's libraries, what differs between systems in its portable way, the kqueue file (a kevent
# of 32 bits has no room for a token), and the accelerator.
check_one() {
    target=$1 here=$(pwd) failed=''
    flags="$C_STRICT -O0 -fno-sanitize=undefined -I$here/csrc -isystem $here/build/libuv/source/include -isystem $here/$top/python"
    rm -rf "${top:?}/$target"
    mkdir -p "$top/$target"
    core=$(core_sources | sed "s|^|$here/|") system=$(system_sources | sed "s|^|$here/|")
    cd "$top/$target"
    case $target in x86_64-openbsd | x86_64-freebsd) library=$(static_libuv) || return 1 ;; *) library='' ;; esac
    # shellcheck disable=SC2086
    {
        # A program of the core alone: what it calls is there under that name, kqueue, setproctitle and pledge too.
        if [ -n "$library" ]; then
            echo 'int main(void) { return 0; }' >main.c
            compile -DFW_KQUEUE -fno-sanitize=undefined -o core main.c $core "$library" -lpthread
        else
            compile -c $core
        fi
        compile -DFW_PORTABLE -c $system
        case $target in arm-*bsd*) ;; *bsd* | *macos*) compile -DFW_KQUEUE -c "$here/csrc/sys/pollset_kqueue.c" ;; esac
        compile -c "$here"/csrc/python/*.c
    } >../"$target.log" 2>&1
    cd "$here"
    rm -rf "${top:?}/$target"
    if [ -n "$failed" ]; then
        cat $top/"$target.log"
        say "$target: FAILED"
        return 1
    fi
    say "$target: no warning"
}

check() {
    sh tools/libuv.sh source
    copy_python_headers
    # shellcheck disable=SC2086
    [ $# -gt 0 ] || set -- $checked
    printf '%s\n' "$@" | xargs -n 1 -P 2 sh tools/portable.sh one || die 'csrc/ does not compile everywhere'
}

# ---- run -----------------------------------------------------------------------------------------------

emulator_of() {
    case $1 in
        x86-* | x86_64-*) ;; # as they are
        *)
            machine=$(echo "${1%%-*}" | sed 's/^powerpc/ppc/') # zig's word and qemu's
            for name in "qemu-$machine-static" "qemu-$machine"; do have "$name" && echo "$name" && return; done
            die "the tests of $1 need qemu-user (Debian: apt-get install qemu-user-static)" ;;
    esac
}

run() {
    # shellcheck disable=SC2086
    [ $# -gt 0 ] || set -- $runs
    for target; do
        say "$target: the C tests"
        (
            RUN=$(emulator_of "$target") OUT=$top/run-$target CC="$zig cc -target $target" AR="$zig ar"
            export RUN OUT CC AR
            eval "$(sh tools/libuv.sh build "$OUT/libuv")"
            export LIBUV_CFLAGS LIBUV_LIBS
            sh tools/test-c.sh
        ) || failed="${failed:-} $target"
    done
    [ -z "${failed:-}" ] || die "the C tests fail on:$failed"
}

case $work in
    run) run "$@" ;;
    check) check "$@" ;;
    headers) copy_python_headers "$@" ;;
    one) check_one "$1" ;;
    *) die 'usage: tools/portable.sh check|run [TARGET...] | headers [PYTHON [FOLDER]]' ;;
esac
