#!/bin/sh
# libuv.sh -- libuv from its source, as a static library, for the machine that CC compiles for.
# usage: tools/libuv.sh source           leaves the source in build/libuv/source, nothing else
#        tools/libuv.sh build FOLDER     leaves libuv.a in FOLDER too, made by $CC, $AR and $CFLAGS, and prints
#                                        LIBUV_CFLAGS='...' LIBUV_LIBS='...' for a shell at the top of the clone
#
# The source is what tools/requirements-libuv.txt names; its digest is verified before it is unpacked.
set -eu
cd "$(dirname "$0")/.."
. tools/common.sh
CC=${CC:-cc}
AR=${AR:-ar}
wanted=tools/requirements-libuv.txt
top=build/libuv

fetch() {
    stamp=$(cksum <$wanted)
    [ "$(cat $top/.stamp 2>/dev/null)" != "$stamp" ] || return 0
    package=$(sed -n 's/^\([a-z]*\)==\([0-9.]*\) .*/\1-\2/p' $wanted)
    digest=$(sed -n 's/.*--hash=sha256://p' $wanted)
    python=.venv/bin/python
    [ -x $python ] || python=$(find_python)
    rm -rf $top
    mkdir -p $top
    say "fetching the source of libuv ($package)" >&2
    "$python" -m pip download -q --no-deps --no-build-isolation --no-binary :all: -d $top -r $wanted >&2 ||
        die "$package.tar.gz cannot be had"
    # pip has looked at the digest; what is unpacked and compiled is looked at here.
    "$python" -c 'import hashlib, sys
sys.exit(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest() != sys.argv[2])' \
        $top/"$package".tar.gz "$digest" || die "$package.tar.gz does not have the digest that $wanted names"
    (cd $top && gzip -dc "$package".tar.gz | tar xf - && mv "$package"/vendor/libuv source && rm -rf "$package")
    echo "$stamp" >$top/.stamp
}

# The files and definitions of libuv's own CMakeLists.txt. PLATFORM is what the compiler says of itself.
describe() {
    files='async core dl fs getaddrinfo getnameinfo loop-watcher loop pipe poll process random-devurandom signal
        stream tcp thread tty udp'
    defines='-D_FILE_OFFSET_BITS=64 -D_LARGEFILE_SOURCE'
    libs='-lpthread'
    # shellcheck disable=SC2086
    macros=$(printf '' | $CC ${CFLAGS:-} -dM -E -x c -)
    bsd='bsd-ifaddrs bsd-proctitle kqueue posix-hrtime'
    case $macros in
        *' __linux__ '*)
            files="$files linux procfs-exepath proctitle random-getrandom random-sysctl-linux"
            defines="$defines -D_GNU_SOURCE -D_POSIX_C_SOURCE=200112"
            libs='-lpthread -ldl -lrt' ;;
        *' __APPLE__ '*)
            files="$files bsd-ifaddrs darwin darwin-proctitle fsevents kqueue proctitle random-getentropy"
            defines="$defines -D_DARWIN_UNLIMITED_SELECT=1 -D_DARWIN_USE_64_BIT_INODE=1" ;;
        *' __FreeBSD__ '*) files="$files $bsd freebsd random-getrandom" ;;
        *' __OpenBSD__ '*) files="$files $bsd openbsd random-getentropy" ;;
        *' __NetBSD__ '*) files="$files $bsd netbsd" libs='-lpthread -lkvm' ;;
        *) die "$CC compiles for a system that this script knows nothing of" ;;
    esac
}

build() {
    out=$1
    describe
    mkdir -p "$out"
    stamp="$(cat $top/.stamp) $CC ${CFLAGS:-} $(cksum <tools/libuv.sh)"
    if [ "$(cat "$out/.stamp" 2>/dev/null)" != "$stamp" ]; then
        rm -f "$out"/*.o "$out/libuv.a" "$out/.stamp"
        flags="-O2 -g -w -std=gnu11 -fno-strict-aliasing -fvisibility=hidden -fPIC ${CFLAGS:-} $defines
            -I$top/source/include -I$top/source/src"
        # shellcheck disable=SC2016
        { printf '%s\n' $top/source/src/*.c; for name in $files; do echo "$top/source/src/unix/$name.c"; done; } |
            OUT=$out CC=$CC FLAGS=$flags xargs -n 1 -P 2 sh -c '$CC $FLAGS -c "$1" -o "$OUT/$(basename "$1" .c).o" || exit 255' compile ||
            die 'libuv does not compile'
        $AR rcs "$out/libuv.a" "$out"/*.o
        rm -f "$out"/*.o
        echo "$stamp" >"$out/.stamp"
    fi
    echo "LIBUV_CFLAGS='-I$top/source/include' LIBUV_LIBS='$out/libuv.a $libs'"
}

case ${1:-} in
    source) fetch ;;
    build) fetch; build "${2:?tools/libuv.sh build FOLDER}" ;;
    *) die 'usage: tools/libuv.sh source|build FOLDER' ;;
esac
