#!/bin/sh
# test-c.sh -- the C core alone, without Python: every tests/c/test_*.c is a program of its own,
# linked with all of csrc/ and libuv and run under AddressSanitizer and UBSan. Exit 0: it passed.
# usage: tools/test-c.sh [NAME...]      (NAME: test_parser, test_core_file_fallback; none: all)
#
# test_core_*.c run twice: on this system's way, and with -DFW_PORTABLE (NAME_fallback) on the way of
# systems that the core knows nothing of.
#
# With another libuv than the system's: LIBUV_CFLAGS, LIBUV_LIBS, and OUT, the folder to build into.
# For another machine: CC, and RUN, the program that runs its programs.
#
# The other .c files in tests/c are programs that Python tests use (parse_stream): built the same way
# into build/c, not run. What the tests say themselves is not optimised, which halves the time to compile it.
set -eu
cd "$(dirname "$0")/.."
. tools/common.sh
CC=${CC:-cc}
RUN=${RUN:-}
out=${OUT:-build/c}
mkdir -p "$out"
names_of() { for file; do basename "$file" .c; done; }

# Some systems have no sanitizer run-time (musl, OpenBSD), or that of UBSan alone (zig's compiler); some
# kernels forbid the tracing that LeakSanitizer works by. All is probed, and said.
sanitize='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer'
echo 'int main(void) { return 0; }' >"$out/probe.c"
# shellcheck disable=SC2086
if ! $CC $sanitize -o $out/probe $out/probe.c 2>/dev/null; then
    sanitize='-fsanitize=undefined -fno-sanitize-recover=all'
    what='no AddressSanitizer'
    $CC $sanitize -o $out/probe $out/probe.c 2>/dev/null || what='no sanitizers' sanitize=''
    say "$CC has $what here: the C tests run without"
elif ! ASAN_OPTIONS=detect_leaks=1 $RUN $out/probe >/dev/null 2>&1; then
    ASAN_OPTIONS=detect_leaks=0 $RUN $out/probe || die "programs of $CC with sanitizers do not run here"
    say 'leaks cannot be looked for here (no right to trace, or not known to this system)'
    leaks=0
fi
ASAN_OPTIONS="detect_leaks=${leaks:-1}:abort_on_error=0:strict_string_checks=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
UBSAN_OPTIONS="print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}"
export ASAN_OPTIONS UBSAN_OPTIONS

systems=" $(system_sources | tr '\n' ' ')"
core=$(for file in $(core_sources); do echo "$out/$(object_of "$file").o"; done)
fallback_core=$(for file in $(core_sources); do
    case $systems in *" $file "*) suffix=_fallback ;; *) suffix='' ;; esac
    echo "$out/$(object_of "$file")$suffix.o"
done)

# each SCRIPT NAME...: runs the script once a name ($1), $jobs at a time.
each() {
    script=$1
    shift
    [ $# -eq 0 ] || printf '%s\n' "$@" | xargs -n 1 -P "$jobs" sh -c "$script" sh
}
jobs=$(processors)
LIBS=$(libuv_libs)
export CC RUN C_STRICT C_BASE FLAGS SUFFIX LIBS sanitize out core fallback_core

# Everything is compiled again when anything changed: a file, a flag, the compiler.
flags="-g $sanitize $(libuv_cflags)"
# shellcheck disable=SC2046
stamp=$(echo "$CC $C_STRICT $flags $(libuv_libs)" | cat - $(core_files) tests/c/*.[ch] tools/common.sh tools/test-c.sh | cksum)
# The single quotes of what `each` runs are meant: its own shell expands it.
# shellcheck disable=SC2016,SC2046
if [ "$(cat "$out/.stamp" 2>/dev/null)" != "$stamp" ]; then
    rm -f "$out"/*.o "$out/.stamp"
    compile='. tools/common.sh
        case $1 in
            csrc/*) how="$C_STRICT -O1" ;;
            */test_*) how="$C_BASE -Itests/c -O0" ;;
            *) how="$C_BASE -Itests/c -O1" ;;
        esac
        $CC $how $FLAGS -c "$1" -o "$out/$(object_of "$1")$SUFFIX.o" || exit 255'
    FLAGS=$flags SUFFIX=''
    each "$compile" $(core_sources) tests/c/*.c || die 'the C core does not compile'
    FLAGS="$flags -DFW_PORTABLE" SUFFIX=_fallback
    each "$compile" $(system_sources) tests/c/test_core_*.c ||
        die 'the C core does not compile with -DFW_PORTABLE'
    each '$CC $sanitize -o $out/$1 $out/$1.o $core $LIBS || exit 255' $(names_of tests/c/*.c) ||
        die 'the C tests do not link'
    each '$CC $sanitize -o $out/${1}_fallback $out/${1}_fallback.o $fallback_core $LIBS || exit 255' \
        $(names_of tests/c/test_core_*.c) || die 'the C tests do not link with -DFW_PORTABLE'
    echo "$stamp" >"$out/.stamp"
fi

# What a program says is kept until all have ended: then no line stands inside another program's.
# Those that take seconds begin first: none of them is alone at the end.
slow='flood|block|time|writer|stress|crowd|content|accept|stream|scan'
all() { names_of tests/c/test_*.c; names_of tests/c/test_core_*.c | sed 's/$/_fallback/'; }
# shellcheck disable=SC2046
[ $# -gt 0 ] || set -- $(all | grep -E "$slow") $(all | grep -vE "$slow")
# Most of them wait for the clock, so three times as many as there are processors run at once.
jobs=$(($(processors) * 3))
# shellcheck disable=SC2016
each '$RUN "$out/$1" </dev/null >"$out/$1.log" 2>&1; echo $? >"$out/$1.status"' "$@"
passed=0 failed=0
for name; do
    cat "$out/$name.log"
    status=$(cat "$out/$name.status")
    if [ "$status" = 0 ]; then
        passed=$((passed + 1))
    else
        echo "$name: failed (exit status $status)" >&2
        failed=$((failed + 1))
    fi
done
echo "C programs: $passed passed, $failed failed"
[ $failed = 0 ]
