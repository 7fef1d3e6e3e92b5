#!/bin/sh
# setup.sh -- from a clone to a .venv that runs it; each step is skipped while nothing it reads changed.
# usage: tools/setup.sh build|test|lint|fleet|dist|portable|wheels|release
#
#   build   .venv with Fapws in it, by plain path: .venv/bin/fapws runs the clone's own files
#   test    build, and what tests/ imports
#   lint    build, and ruff and mypy
#   fleet   test, and what checks the files of Kubernetes and Nomad
#   dist    build, and the PyPA builder
#   portable  build, and a C compiler for other systems
#   wheels  dist and portable, and what looks at wheels
#   release  test, lint and wheels, and what writes the bill of materials
#
# A step's stamp in .venv holds a checksum of what it read; times are not trusted (git sets them).
set -eu
cd "$(dirname "$0")/.."
. tools/common.sh
purpose=$1
PIP_DISABLE_PIP_VERSION_CHECK=1
export PIP_DISABLE_PIP_VERSION_CHECK

# fresh STAMP FILES...: true when the stamp was written for these very contents.
fresh() {
    stamp=.venv/.$1
    shift
    [ -r "$stamp" ] && [ "$(cat "$stamp")" = "$(signature "$@")" ]
}
signature() { cat "$@" | cksum; ls "$@"; }
stamp() {
    stamp=.venv/.$1
    shift
    signature "$@" >"$stamp"
}
pip() { ".venv/bin/python" -m pip "$@"; }

# The machine is looked at once, and again before something is compiled.
looked=no
look_at_machine() {
    [ $looked = yes ] || sh tools/bootstrap.sh "$purpose"
    looked=yes
}
fresh "machine-$purpose" tools/bootstrap.sh || look_at_machine
python=$(find_python)

# ---- .venv: made anew when it is broken, the clone was moved, or another Python is asked for ----------
if ! python_answers .venv/bin/python || [ "$(cat .venv/.base 2>/dev/null)" != "$python" ] ||
    [ "$(cat .venv/.place 2>/dev/null)" != "$(pwd -P)" ]; then
    # Before 3.10 pip asks distutils where to install, and that puts a variable of the environment there.
    case $(pwd -P) in
        *\$[A-Za-z_]*)
            "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
                die "pip of Python 3.9 takes the \$ in $(pwd -P) for a variable: use a newer one (PYTHON=...) or another path"
            ;;
    esac
    say "making .venv with $python"
    rm -rf .venv
    "$python" -m venv .venv
    echo "$python" >.venv/.base
    pwd -P >.venv/.place
fi
[ $looked = no ] || stamp "machine-$purpose" tools/bootstrap.sh

if ! fresh tools tools/requirements-build.txt; then
    pip install -q -r tools/requirements-build.txt
    stamp tools tools/requirements-build.txt
fi

# ---- Fapws itself ---------------------------------------------------------------------------------------
# shellcheck disable=SC2046
fresh_core() { fresh core setup.py tools/core_build.py .venv/.chosen $(core_files); }
# shellcheck disable=SC2046
stamp_core() { stamp core setup.py tools/core_build.py .venv/.chosen $(core_files); }
# Another compiler or another libuv makes another core.
echo "${CC:-} ${LIBUV_CFLAGS:-} ${LIBUV_LIBS:-}" >.venv/.chosen
# pip once, and again when what it read changed; for the C core alone the compiler is enough.
if ! fresh package pyproject.toml setup.py fapws/__init__.py; then
    say 'installing Fapws into .venv, by path'
    look_at_machine
    rm -rf build/temp.*
    pip install -q --no-build-isolation --no-deps -e .
    # Where a #! line cannot hold the path, pip has sh begin, and quotes with ", in which sh reads a `$`.
    # shellcheck disable=SC2016
    .venv/bin/python -B -c '
import glob, shlex, sys
for name in glob.glob(".venv/bin/fapws*"):
    with open(name, "r+", encoding="utf-8", newline="") as program:
        lines = program.readlines()
        if lines[0].rstrip() == "#!/bin/sh" and lines[1].startswith("\x27\x27\x27exec\x27 "):
            lines[1] = "\x27\x27\x27exec\x27 " + shlex.quote(sys.executable) + " \"$0\" \"$@\"\n"
            program.seek(0)
            program.truncate()
            program.writelines(lines)
'
    stamp_core
    stamp package pyproject.toml setup.py fapws/__init__.py
fi
if ! .venv/bin/python -B -c 'import fapws._core' 2>/dev/null ||
    ! fresh_core; then
    say 'compiling the C core'
    look_at_machine
    .venv/bin/python -W ignore setup.py -q build_ext --inplace --force
    .venv/bin/python -B -c 'import fapws._core'
    stamp_core
fi

# ---- What a purpose needs beside it -------------------------------------------------------------------
case $purpose in
    build) ;;
    test) set -- tests/requirements.txt ;;
    lint) set -- tools/requirements-lint.txt tests/requirements.txt ;;
    fleet) set -- tests/requirements.txt tools/requirements-fleet.txt ;;
    dist) set -- tools/requirements-dist.txt ;;
    portable) set -- tools/requirements-portable.txt ;;
    wheels) set -- tools/requirements-dist.txt tools/requirements-portable.txt tools/requirements-wheels.txt ;;
    release)
        set -- tests/requirements.txt tools/requirements-lint.txt tools/requirements-dist.txt \
            tools/requirements-portable.txt tools/requirements-wheels.txt tools/requirements-release.txt
        ;;
    *) die "usage: tools/setup.sh build|test|lint|fleet|dist|portable|wheels|release" ;;
esac
[ "$purpose" = build ] || for file in "$@"; do
    name=$(echo "$file" | tr '/.' '--')
    if ! fresh "$name" "$file"; then
        say "installing what $file names into .venv"
        pip install -q -r "$file"
        stamp "$name" "$file"
    fi
done

[ "$purpose" != test ] || compile_bytecode .venv/bin/python
