# shellcheck shell=sh disable=SC2034
# common.sh -- what the other scripts here share. Sourced, from the top of the clone; does nothing.

say() { printf 'fapws: %s\n' "$*"; }
die() { printf 'fapws: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# How many things to do at once: the processors that this process may use.
processors() {
    nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || getconf NPROCESSORS_ONLN 2>/dev/null ||
        sysctl -n hw.ncpuonline 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2
}

# pytest's words for running on all processors, or J times at once (J=0: in its own process, for a debugger).
# More of them than processors: many tests wait for processes and clocks.
# A file is never split: its tests share what it starts once, and some count what the others did. The files
# run in the order of tests/conftest.py.
AT_ONCE="-n ${J:-$(($(processors) * 5 / 2))} --maxprocesses 8 --dist loadfile --no-loadscope-reorder"
PYTEST=".venv/bin/python -m pytest $AT_ONCE"
# collect WORDS...: leaves pytest's bytecode of the tests, which each of its processes would make otherwise. Says
# nothing: what is wrong is said by the run itself.
collect() { .venv/bin/python -m pytest --collect-only -q "$@" >/dev/null 2>&1 || :; }

# compile_bytecode PYTHON: the tests start thousands of Pythons. Where the environment keeps those from writing
# their bytecode (PYTHONDONTWRITEBYTECODE), each would compile all that it imports again, which takes longer than
# most tests.
compile_bytecode() { "$1" -m compileall -q fapws supervisor tests/support; }

# The flags every C file of ours is compiled with. -Wconversion and its kin are kept from the code
# that cffi generates (setup.py), which is not clean under them.
C_BASE='-std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Icsrc -Wall -Wextra -Werror -Wshadow -Wswitch-enum -Wmissing-prototypes'
C_STRICT="$C_BASE -Wconversion -Wsign-conversion -Wstrict-prototypes -Wpointer-arith -Wvla"

# What the core is made of, folder by folder: its sources (the accelerator in csrc/python is none of it), the
# part of them that differs between operating systems, and all files of csrc/.
core_sources() { find csrc -name '*.c' ! -path 'csrc/python/*' | LC_ALL=C sort; }
system_sources() { core_sources | grep '/sys[_/]'; }
core_files() { find csrc -name '*.[ch]' | LC_ALL=C sort; }
# object_of FILE...: the name of a file's object without .o, one a line. The folder is part of it, because two
# folders may have files of the same name. To be used in the programs that xargs runs too.
object_of() { for file; do echo "${file%.c}" | sed 's|^csrc/||; s|^tests/[a-z]*/||; s|/|-|g'; done; }

# libuv's flags: from the environment, else from pkg-config. bootstrap.sh has seen to it being there.
libuv_cflags() { if [ -n "${LIBUV_CFLAGS+set}" ]; then echo "$LIBUV_CFLAGS"; else pkg-config --cflags libuv; fi; }
libuv_libs() { if [ -n "${LIBUV_LIBS+set}" ]; then echo "$LIBUV_LIBS"; else pkg-config --libs libuv; fi; }

# python_answers PROGRAM: can it run, and is it new enough?
python_answers() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 9))' >/dev/null 2>&1; }

# Prints the Python to build with: $PYTHON, or the one that made .venv, or the first that will do.
# Prints nothing when there is none.
find_python() {
    if [ -n "${PYTHON:-}" ]; then
        have "$PYTHON" || die "PYTHON=$PYTHON cannot be run"
        python_answers "$PYTHON" || die "PYTHON=$PYTHON is older than 3.9"
        command -v "$PYTHON"
        return
    fi
    if [ -r .venv/.base ] && python_answers "$(cat .venv/.base)"; then
        cat .venv/.base
        return
    fi
    for name in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python3.9; do
        if python_answers $name; then
            command -v $name
            return
        fi
    done
}
