#!/bin/sh
# test-pypy.sh -- builds Fapws for PyPy in a copy of the tree, installs it, and runs the tests there that
# are about Python: WSGI, the protocol as an application sees it, what fapws3 had.
# usage: tools/test-pypy.sh [PYTEST WORDS]          (PYPY=/path/to/pypy3 chooses one)
#
# The tests run under PyPy as well as the servers: a second Python beside it would need a build of its own.
# A copy, because a wheel for PyPy is made in the clone otherwise, and other Pythons share it.
set -eu
cd "$(dirname "$0")/.."
. tools/common.sh
PYPY=${PYPY:-pypy3}
have "$PYPY" || die "$PYPY is not installed (Debian: apt-get install pypy3 pypy3-dev pypy3-venv)"
tree=build/pypy
venv=$(pwd)/.venv-pypy

PYTHON=$PYPY sh tools/bootstrap.sh test
rm -rf $tree
mkdir -p $tree
tar cf - --exclude '*.so' --exclude __pycache__ --exclude conf/run \
    csrc conf fapws supervisor tests tools docs Makefile pyproject.toml setup.py LICENSE README.md CHANGES.md |
    (cd $tree && tar xf -)
wanted=$(cat tools/requirements-build.txt tests/requirements.txt | cksum; command -v "$PYPY")
if ! "$venv/bin/python" -c '' 2>/dev/null || [ "$(cat "$venv/.wanted" 2>/dev/null)" != "$wanted" ]; then
    say "making .venv-pypy with $PYPY"
    rm -rf "$venv"
    "$PYPY" -m venv "$venv"
    "$venv/bin/python" -m pip install -q -r tools/requirements-build.txt
    "$venv/bin/python" -m pip install -q -r tests/requirements.txt
    echo "$wanted" >"$venv/.wanted"
fi
"$venv/bin/python" -m pip install -q --no-build-isolation --no-deps --force-reinstall "./$tree"

cd $tree
mkdir elsewhere
(cd elsewhere && "$venv/bin/python" -) <<'END'
"""The installed server answers on PyPy, and ends when it is told to."""
import os, signal, subprocess, sys, urllib.request

server = subprocess.Popen(
    [os.path.join(sys.prefix, "bin", "fapws"), "-b", "127.0.0.1:0", "../conf/samples/hello/hello.py"],
    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
)
try:
    line = ""
    while "http://" not in line:
        line = server.stdout.readline()
        if not line:
            raise SystemExit("fapws on PyPy: it did not start")
        print(line, end="")
    url = line[line.index("http://"):].split()[0].rstrip("/")
    for _ in range(1000):
        answer = urllib.request.urlopen(url + "/", timeout=10)
        body = answer.read()
    assert answer.status == 200 and b"Hello" in body, (answer.status, body)
    server.send_signal(signal.SIGTERM)
    assert server.wait(30) == 0, server.returncode
finally:
    server.kill()
print("fapws on", sys.version.split("\n")[1].strip("[]"), "answered 1000 requests")
END

# The tests serve from the tree, with what was compiled for the installation.
core=$(cd elsewhere && "$venv/bin/python" -c 'import fapws._core; print(fapws._core.__file__)')
cp "$core" fapws/
compile_bytecode "$venv/bin/python"
[ $# -eq 0 ] || exec "$venv/bin/python" -m pytest "$@"

# Not those that play the C core alone, which is the same there (tests/protocol/differential, every
# split) or answer without Python (static files), nor Chromium's view of a sample.
# shellcheck disable=SC2086
exec "$venv/bin/python" -m pytest $AT_ONCE tests/wsgi tests/protocol/test_cases.py tests/compat \
    --ignore tests/compat/test_dashboard_browser.py --ignore-glob 'tests/wsgi/test_static_*'
