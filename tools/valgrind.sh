#!/bin/sh
# valgrind.sh -- many mixed requests to a server under valgrind's memcheck, with the accelerator. Exit 0: no
# process of the server used memory wrongly, and none lost memory that code of csrc/ had a part in asking for.
# usage: tools/valgrind.sh [REQUESTS]          (PYTHON=.venv/bin/python: another CPython)
#
# Built in a copy of the tree, with line numbers. PYTHONMALLOC makes each object of Python a block that
# valgrind knows, so that no suppressions are needed. Blocks that Python itself or cffi has lost while no
# code of ours was running are counted and named in the logs, not judged. The logs stay: build/valgrind/log/.
set -eu
cd "$(dirname "$0")/.."
. tools/common.sh
PYTHON=${PYTHON:-$(pwd)/.venv/bin/python}
requests=${1:-50000}
tree=build/valgrind
log=$(pwd)/$tree/log

have valgrind || die 'there is no valgrind here'
"$PYTHON" -c 'import sys; sys.exit(sys.implementation.name != "cpython")' || die "$PYTHON is not CPython"

rm -rf $tree
mkdir -p "$log"
tar cf - --exclude '*.so' --exclude __pycache__ csrc fapws supervisor tests tools pyproject.toml setup.py README.md |
    (cd $tree && tar xf -)
cd $tree
CFLAGS=-g "$PYTHON" -W ignore setup.py -q build_ext --inplace
"$PYTHON" -c 'import fapws._accelerator'

# Whole paths, because CPython has a parser.c too. Memory is looked after by valgrind, not by the RSS.
under="env PYTHONMALLOC=malloc valgrind --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=none
    --num-callers=40 --fullpath-after= --log-file=$log/%p"
FAPWS_COMMAND="$under $PYTHON -m fapws" "$PYTHON" tests/soak/mixed.py -n "$requests" --seconds 1800 --growth 100000000

# A log is paragraphs behind ==PID==; a stack is one of them.
failed=0
for file in "$log"/*; do
    say "process ${file##*/}: $(sed -n 's/^==[0-9]*== *\(definitely lost: .*\)/\1/p; s/^==[0-9]*== \(ERROR SUMMARY: .*\)/\1/p' "$file" |
        tr '\n' ';')"
    if ! grep -q 'ERROR SUMMARY: 0 errors' "$file"; then # none at all: it was killed
        grep -v 'lost in loss record' "$file" >&2
        failed=1
    fi
    ours=$(sed 's/^==[0-9]*== *//' "$file" | awk -v RS= '/definitely lost in loss record/ && /csrc\// { print $0 "\n" }')
    if [ -n "$ours" ]; then
        printf '%s\n' "$ours" >&2
        failed=1
    fi
done
[ $failed -eq 0 ] || die "valgrind has found something; see $log"
say 'valgrind has found nothing'
