#!/bin/sh
# test-asan.sh -- the accelerator and the core inside CPython under AddressSanitizer and UBSan: the tests
# of the exchange, odd and hostile applications, and many mixed requests to a server. Exit 0: nothing was found.
# usage: tools/test-asan.sh [REQUESTS]          (PYTHON=.venv/bin/python: another one, with what tests/ imports)
#
# Built in a copy of the tree. Python's own allocator is out of the way (PYTHONMALLOC), so that each
# object is a piece of memory that ASan knows. Leaks are not looked for: Python keeps much until its end;
# tests/wsgi/test_exchange.py counts references instead.
set -eu
cd "$(dirname "$0")/.."
. tools/common.sh
PYTHON=${PYTHON:-$(pwd)/.venv/bin/python}
CC=${CC:-gcc}
requests=${1:-20000}
tree=build/asan

"$PYTHON" -c 'import sys; sys.exit(sys.implementation.name != "cpython")' || die "$PYTHON is not CPython"
# The sanitizers have to be there before Python is, which is not compiled with them.
preload=''
for library in libasan.so libubsan.so; do
    path=$($CC -print-file-name=$library)
    [ "$path" != $library ] || die "$CC has no $library: this needs GCC with its sanitizers"
    preload="$preload${preload:+:}$path"
done

rm -rf $tree
mkdir -p $tree
tar cf - --exclude '*.so' --exclude __pycache__ csrc fapws supervisor tests tools pyproject.toml setup.py README.md |
    (cd $tree && tar xf -)
cd $tree
sanitize='-fsanitize=address,undefined -fno-sanitize-recover=all'
CC=$CC CFLAGS="$sanitize -g -fno-omit-frame-pointer" LDFLAGS=$sanitize \
    "$PYTHON" -W ignore setup.py -q build_ext --inplace

compile_bytecode "$PYTHON"

under="env LD_PRELOAD=$preload PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1"
$under "$PYTHON" -c 'import fapws._accelerator'
# With pytest's own capture a report would be lost: the process ends before it is shown.
# shellcheck disable=SC2086
$under "$PYTHON" -m pytest $AT_ONCE --capture=sys tests/wsgi/test_exchange.py tests/wsgi/test_odd_applications.py \
    tests/wsgi/test_iterables.py tests/wsgi/test_hostile_applications.py
# Growth without limit: ASan keeps what was freed, to see it being used.
FAPWS_COMMAND="$under $PYTHON -m fapws" "$PYTHON" tests/soak/mixed.py -n "$requests" --seconds 300 --growth 100000000
