#!/bin/sh
# test-c.sh -- the C core alone, without Python: every tests/c/test_*.c is a program of its own,
# linked with all of csrc/ and libuv and run under AddressSanitizer and UBSan. Exit 0: it passed.
# usage: tools/test-c.sh [NAME...]      (NAME: test_parser; none: all)
#
# Other .c files in tests/c (but fuzz_*) are helpers that are linked into each.
set -eu
cd "$(dirname "$0")/.."
. tools/common.sh
CC=${CC:-cc}
out=build/c
mkdir -p $out

# Some systems have no sanitizer run-time (musl, OpenBSD), some kernels forbid the tracing that
# LeakSanitizer works by. Both are probed, and said.
sanitize='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer'
echo 'int main(void) { return 0; }' >$out/probe.c
# shellcheck disable=SC2086
if ! $CC $sanitize -o $out/probe $out/probe.c 2>/dev/null; then
    say "$CC has no sanitizers here: the C tests run without them"
    sanitize=''
elif ! ASAN_OPTIONS=detect_leaks=1 $out/probe >/dev/null 2>&1; then
    ASAN_OPTIONS=detect_leaks=0 $out/probe || die "programs of $CC with sanitizers do not run here"
    say 'leaks cannot be looked for here (no right to trace, or not known to this system)'
    leaks=0
fi
ASAN_OPTIONS="detect_leaks=${leaks:-1}:abort_on_error=0:strict_string_checks=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
UBSAN_OPTIONS="print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}"
export ASAN_OPTIONS UBSAN_OPTIONS

# An object is compiled again when anything it could depend on changed: the command or any file.
flags="-O1 -g $sanitize $(libuv_cflags)"
stamp=$(echo "$CC $C_STRICT $flags" | cat - csrc/* tests/c/*.[ch] tools/common.sh 2>/dev/null | cksum)
if [ "$(cat $out/.stamp 2>/dev/null)" != "$stamp" ]; then
    rm -f $out/*.o $out/test_* $out/.stamp
    helpers=$(find tests/c -name '*.c' ! -name 'test_*' ! -name 'fuzz_*')
    # shellcheck disable=SC2016
    compile='for file; do
        case $file in csrc/*) warn=$C_STRICT ;; *) warn="$C_BASE -Itests/c" ;; esac
        $CC $warn $FLAGS -c "$file" -o "$OUT/$(basename "$file" .c).o" || exit 255
    done'
    export CC C_STRICT C_BASE
    # shellcheck disable=SC2086
    printf '%s\n' csrc/*.c $helpers tests/c/test_*.c |
        FLAGS=$flags OUT=$out xargs -n 1 -P 2 sh -c "$compile" compile || die 'the C core does not compile'
    for helper in $helpers; do echo "$out/$(basename "$helper" .c).o"; done >$out/.helpers
    echo "$stamp" >$out/.stamp
fi

core=$(for file in csrc/*.c; do echo "$out/$(basename "$file" .c).o"; done)
passed=0 failed=0
# shellcheck disable=SC2046
[ $# -gt 0 ] || set -- $(for file in tests/c/test_*.c; do basename "$file" .c; done)
for name; do
    # shellcheck disable=SC2046,SC2086
    [ -x $out/$name ] || $CC $sanitize -o $out/$name $out/$name.o $(cat $out/.helpers) $core $(libuv_libs)
    if "$out/$name" </dev/null; then
        passed=$((passed + 1))
    else
        echo "$name: failed (exit status $?)" >&2
        failed=$((failed + 1))
    fi
done
echo "C programs: $passed passed, $failed failed"
[ $failed = 0 ]
