#!/bin/sh
# fuzz.sh -- runs the fuzzers of tests/fuzz, one on each processor, each for its share of the time, under
# AddressSanitizer and UBSan. Exit 0: nothing was found. What was is kept in build/fuzz/found.
# usage: tools/fuzz.sh SECONDS [NAME...]         (NAME: parser; none: all)
#        tools/fuzz.sh replay NAME FILE...       (runs single inputs, as one that was found)
#
# Needs clang with libFuzzer. Inputs that reached something new are kept in build/fuzz/corpus, where
# the next run begins.
set -eu
cd "$(dirname "$0")/.."
. tools/common.sh
CLANG=${CLANG:-clang}
out=build/fuzz
all='connection parser chunked proxy static' # what takes longest first
[ $# -gt 0 ] || die 'usage: tools/fuzz.sh SECONDS [NAME...]'

# ---- One of them, beside others: `one NAME`, with the variables that are exported below ----------------

# Parts of the time, and the longest input: what takes long to learn gets more.
parts_of() { case $1 in parser) echo 3 ;; connection) echo 5 ;; *) echo 1 ;; esac; }
longest_of() { case $1 in parser) echo 5000 ;; chunked) echo 30000 ;; proxy | static) echo 600 ;; *) echo 8000 ;; esac; }
share_of() {
    share=$((seconds * jobs * $(parts_of "$1") / parts))
    [ $share -gt 0 ] || share=1
    [ $share -le "$seconds" ] || share=$seconds
    echo "$share"
}
figure() { sed -n "s/^stat::$1: *//p" "$log"; }

run_one() {
    name=$1 share=$(share_of "$1") corpus=$out/corpus/$1 log=$out/$1.log
    mkdir -p "$corpus"
    if $out/fuzz_"$name" -max_total_time="$share" -max_len="$(longest_of "$name")" -timeout=30 \
        -rss_limit_mb=1024 -dict=tests/fuzz/http.dict -artifact_prefix="$out/found/$name-" \
        -print_final_stats=1 "$corpus" "$out/seeds/$name" >"$log" 2>&1; then
        say "fuzz_$name: $(figure number_of_executed_units) inputs in $share s, nothing found"
        return
    fi
    found=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
    grep -v '^#\|^ *#[0-9]* .*in fuzzer::\|^NEW_FUNC\|^INFO' "$log" | head -n 40 >&2
    say "fuzz_$name FAILED; the whole report: $log" >&2
    say "the input: ${found:-none was kept}; run it again: tools/fuzz.sh replay $name $found" >&2
    # For those who have only this text, from a machine that is gone.
    sed -n 's/^Base64: /the input in base64: /p' "$log" >&2
    return 1
}
if [ "$1" = one ]; then
    run_one "$2"
    exit
fi

mkdir -p $out/found $out/objects

sanitize='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer'
have "$CLANG" || die 'fuzzing needs clang (Debian: apt-get install clang libclang-rt-dev)'
echo 'int LLVMFuzzerTestOneInput(const char *, unsigned long);
int LLVMFuzzerTestOneInput(const char *at, unsigned long len) { return len && !at; }' >$out/probe.c
# shellcheck disable=SC2086
"$CLANG" $sanitize -fsanitize=fuzzer -o $out/probe $out/probe.c 2>$out/probe.log ||
    die "$CLANG has no libFuzzer (Debian: apt-get install libclang-rt-dev); see $out/probe.log"
leaks=1
# Some kernels forbid the tracing that LeakSanitizer works by.
$out/probe -runs=1 >$out/probe.log 2>&1 || leaks=0
[ $leaks = 1 ] || say 'leaks cannot be looked for here (no right to trace)'
export ASAN_OPTIONS="detect_leaks=$leaks${ASAN_OPTIONS:+:$ASAN_OPTIONS}"

# ---- Build: objects once, then every fuzzer with all of the core ------------------------------------

flags="-O1 -g $sanitize -fsanitize=fuzzer-no-link $(libuv_cflags)"
# shellcheck disable=SC2046
stamp=$(echo "$CLANG $C_BASE $flags" | cat - $(core_files) tests/fuzz/*.[ch] tests/c/*.h | cksum)
if [ "$(cat $out/.stamp 2>/dev/null)" != "$stamp" ]; then
    rm -f $out/objects/*.o $out/.stamp
    # The core's memory runs out when an input says so (tests/fuzz/memory.h).
    # shellcheck disable=SC2016
    compile='. tools/common.sh
        rename=
        case $1 in csrc/*) rename="-Dmalloc=core_malloc -Dcalloc=core_calloc -Drealloc=core_realloc" ;; esac
        $CLANG $C_BASE $FLAGS $rename -c "$1" -o "$OUT/$(object_of "$1").o" || exit 255'
    export CLANG
    { core_sources; printf '%s\n' tests/fuzz/*.c; } |
        FLAGS=$flags OUT=$out/objects xargs -n 1 -P 2 sh -c "$compile" compile ||
        die 'the fuzzers do not compile'
    core=$(for file in $(core_sources); do echo "$out/objects/$(object_of "$file").o"; done)
    for name in $all; do
        # shellcheck disable=SC2046,SC2086
        "$CLANG" $sanitize -fsanitize=fuzzer -o $out/fuzz_$name $out/objects/fuzz_$name.o \
            $out/objects/application.o $out/objects/memory.o $out/objects/portable_core.o $core $(libuv_libs)
    done
    echo "$stamp" >$out/.stamp
fi

if [ "$1" = replay ]; then
    name=$2
    shift 2
    exec $out/fuzz_"$name" -timeout=30 "$@"
fi

# ---- Run -------------------------------------------------------------------------------------------

seconds=$1
shift
# shellcheck disable=SC2086
[ $# -gt 0 ] || set -- $all
PYTHON=${PYTHON:-}
python=$(find_python)
[ -n "$python" ] || die 'the first inputs are made by Python 3.9 or newer, which was not found'
rm -rf $out/seeds
"$python" -B tests/fuzz/seeds.py $out/seeds

parts=0
for name; do parts=$((parts + $(parts_of "$name"))); done

# Each processor runs one at a time; one alone has all the time, and none has more.
jobs=$(processors)
[ "$jobs" -le $# ] || jobs=$#
export ASAN_OPTIONS out seconds parts jobs
printf '%s\n' "$@" | xargs -n 1 -P "$jobs" sh tools/fuzz.sh one
