#!/bin/sh
# test-pypy.sh -- builds Fapws for PyPy in a copy of the tree and serves a request there.
# usage: tools/test-pypy.sh          (PYPY=/path/to/pypy3 chooses one)
#
# A copy, because a wheel for PyPy is made in the clone otherwise, and other Pythons share it.
set -eu
cd "$(dirname "$0")/.."
. tools/common.sh
PYPY=${PYPY:-pypy3}
have "$PYPY" || die "$PYPY is not installed (Debian: apt-get install pypy3 pypy3-dev pypy3-venv)"
tree=build/pypy
venv=$(pwd)/.venv-pypy

PYTHON=$PYPY sh tools/bootstrap.sh build
rm -rf $tree
mkdir -p $tree
tar cf - --exclude '*.so' --exclude __pycache__ --exclude conf/run \
    csrc conf fapws supervisor tests tools docs Makefile pyproject.toml setup.py LICENSE README.md | (cd $tree && tar xf -)
if ! "$venv/bin/python" -c '' 2>/dev/null; then
    rm -rf "$venv"
    "$PYPY" -m venv "$venv"
    "$venv/bin/python" -m pip install -q -r tools/requirements-build.txt
fi
"$venv/bin/python" -m pip install -q --no-build-isolation --no-deps --force-reinstall "./$tree"

cd $tree
mkdir elsewhere && cd elsewhere
"$venv/bin/python" - <<'END'
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
