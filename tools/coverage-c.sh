#!/bin/sh
# coverage-c.sh -- which lines of csrc/ the C tests reach, the wire cases split everywhere, and what the
# fuzzers have learnt. Prints a table by file, and with -l the lines that nothing reached.
# usage: tools/coverage-c.sh [-l] [LEAST_PARSER LEAST_REST]     (per cent of lines; below: exit 1)
#
# Needs clang, llvm-cov and llvm-profdata (Debian: clang llvm libclang-rt-dev). The fuzzers' inputs are
# those of build/fuzz/corpus, if `make fuzz` has been here, and the wire cases.
set -eu
cd "$(dirname "$0")/.."
. tools/common.sh
CLANG=${CLANG:-clang}
out=build/coverage
lines=0
if [ "${1:-}" = -l ]; then lines=1; shift; fi
least_parser=${1:-0}
least_rest=${2:-0}
for tool in "$CLANG" llvm-cov llvm-profdata; do
    have "$tool" || die "coverage needs $tool (Debian: apt-get install clang llvm libclang-rt-dev)"
done
rm -rf $out
mkdir -p $out/profiles
names_of() { for file; do basename "$file" .c; done; }

# ---- Build: no sanitizers, they have their own runs -------------------------------------------------

flags="-O0 -g -fprofile-instr-generate -fcoverage-mapping $(libuv_cflags)"
core=$(for file in $(core_sources) tests/fuzz/memory.c; do echo "$out/$(object_of "$file").o"; done) # memory: see tools/fuzz.sh
# shellcheck disable=SC2016
compile='. tools/common.sh
    case $1 in
        csrc/*) extra="-Dmalloc=core_malloc -Dcalloc=core_calloc -Drealloc=core_realloc" ;;
        */fuzz_*) extra=-fsanitize=fuzzer-no-link ;;
        *) extra= ;;
    esac
    $CLANG $C_BASE -Itests/c $FLAGS $extra -c "$1" -o "$OUT/$(object_of "$1").o" || exit 255'
export CLANG
{ core_sources; printf '%s\n' tests/c/*.c tests/fuzz/*.c; } |
    FLAGS=$flags OUT=$out xargs -n 1 -P 2 sh -c "$compile" compile || die 'it does not compile'
programs=''
for name in $(names_of tests/c/test_*.c) case_player; do
    # shellcheck disable=SC2046,SC2086
    "$CLANG" $flags -o $out/$name $out/$name.o $core $(libuv_libs)
    programs="$programs $name"
done
for name in $(names_of tests/fuzz/fuzz_*.c); do
    # shellcheck disable=SC2046,SC2086
    "$CLANG" $flags -fsanitize=fuzzer -o $out/$name $out/$name.o $out/application.o \
        $out/portable_core.o $core $(libuv_libs)
    programs="$programs $name"
done

# ---- Run ---------------------------------------------------------------------------------------------

export LLVM_PROFILE_FILE="$out/profiles/%p.profraw"
for name in $(names_of tests/c/test_*.c); do
    $out/"$name" </dev/null >$out/"$name".log 2>&1 || say "$name failed; see $out/$name.log"
done
python=.venv/bin/python
[ -x $python ] || python=$(find_python)
"$python" -B tests/fuzz/seeds.py $out/seeds
for name in parser chunked proxy connection; do
    mkdir -p build/fuzz/corpus/$name
    $out/fuzz_$name -runs=0 -timeout=20 build/fuzz/corpus/$name $out/seeds/$name >$out/fuzz_$name.log 2>&1 ||
        say "fuzz_$name failed; see $out/fuzz_$name.log"
done
if "$python" -c 'import pytest' 2>/dev/null; then
    FAPWS_CASE_PLAYER=$out/case_player "$python" -B -m pytest -q -p no:cacheprovider \
        tests/protocol/test_cases_every_split.py >$out/cases.log 2>&1 || say "some cases failed; see $out/cases.log"
else
    say 'the wire cases are left out: pytest is not there (make test installs it)'
fi

# ---- Tell --------------------------------------------------------------------------------------------

llvm-profdata merge -sparse $out/profiles/*.profraw -o $out/all.profdata
# One object file after the first needs -object before its name.
set --
for name in $programs; do set -- "$@" -object "$out/$name"; done
shift
if [ $lines = 1 ]; then
    llvm-cov show -instr-profile=$out/all.profdata -show-instantiations=false "$@" csrc/ 2>/dev/null |
        awk '/^\/.*csrc\/.*:$/ { sub(/.*csrc\//, "csrc/"); file = $0 }
             /^ *[0-9]+\| *0\|/ { print file " " $0 }'
fi
llvm-cov report -instr-profile=$out/all.profdata "$@" csrc/ >$out/report.txt 2>$out/report.log
# Columns: file, three of regions, three of functions, then lines, missed ones and per cent.
awk -v least_parser="$least_parser" -v least_rest="$least_rest" '
    $1 ~ /\.[ch]$/ && $8 > 0 {
        percent = 100 * ($8 - $9) / $8
        strict = $1 ~ /(parser|fields|target|bytes|chunked|scan)\.[ch]$/
        low = percent < (strict ? least_parser : least_rest)
        failed += low
        printf "%-28s %5d lines %5d missed %6.1f %%%s\n", $1, $8, $9, percent, low ? "  too low" : ""
        all += $8; missed += $9
    }
    END {
        if (all == 0) { print "no figures; see report.log"; exit 1 }
        printf "%-28s %5d lines %5d missed %6.1f %%\n", "together", all, missed, 100 * (all - missed) / all
        exit failed > 0
    }' $out/report.txt >$out/table.txt || status=1
sort $out/table.txt
exit "${status:-0}"
