#!/bin/sh
# try-installed.sh -- the half of try-wheels.sh that runs on the other machine, in its chroot, or by another Python.
# usage: try-installed.sh [FOLDER [PYTHON]]      /srv python3; FOLDER has dist, fapws (the tests) and a file tests
set -eu
srv=${1:-/srv} python=${2:-python3}
for compiler in cc gcc clang c99 pkg-config git; do
    if command -v $compiler; then echo "this machine has $compiler: nothing is shown" >&2; exit 1; fi
done
"$python" -c 'import platform, sys
print(platform.machine(), sys.byteorder, sys.maxsize.bit_length() + 1, "bits", platform.libc_ver(), sys.version)'
"$python" -m venv --system-site-packages --without-pip "$srv/site"
site=$srv/site/bin
cd "$srv/fapws" # where no package lies: what is imported is what was installed
# Without a pip of its own, that of Debian for new environments, in one file: to install it would take minutes
# under qemu. It is for Debian's own Python: another may be too new for it.
pip=
"$site/python" -c 'import pip' 2>/dev/null || pip=$(echo /usr/share/python-wheels/pip-*.whl)
PYTHONPATH=$pip "$site/python" -m pip install -q --disable-pip-version-check \
    --no-compile --no-index --find-links "$srv/dist" fapws
"$site/python" -c 'import fapws._core; print(fapws._core.__file__)
try:
    import fapws._accelerator; print(fapws._accelerator.__file__)
except ImportError: print("without the accelerator")'
"$site/python" tools/serve_once.py "$site/fapws"
FAPWS_PURE=1 "$site/python" tools/serve_once.py "$site/fapws"
words=$(cat "$srv/tests")
[ -n "$words" ] || exit 0
# shellcheck disable=SC2086
"$site/python" -m pytest -q -ra -p no:cacheprovider -n 2 --dist loadfile -o addopts='--import-mode=importlib' $words
