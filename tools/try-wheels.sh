#!/bin/sh
# try-wheels.sh -- every Linux wheel of dist/ is installed and run: where there is no compiler, by a Python of
# its own machine. Takes root, apt, qemu-user-static; an hour and more for all, so no part of .ci/run.
# usage: tools/try-wheels.sh [TARGET...]       (tools/wheels.sh targets; none: those of the table below)
#
# glibc: a chroot with that machine's Debian, under qemu-user where this processor does not run it. musl: CPython
# is built for it here, from Debian's source. What is tried: pip install --no-index, a hello served by way of the
# accelerator and without it, then tests/wsgi and the wire cases against what was installed.
#   SUITE=trixie    which Debian, and with it which Python
#   T='tests/wsgi -k NAME'    other tests; T= for none
#   KEEP=1          the chroots in build/try stay
set -eu
cd "$(dirname "$0")/.."
. tools/common.sh
suite=${SUITE:-trixie}
tests=${T-tests/wsgi tests/protocol/test_cases.py}

# The target, Debian's word for the machine, qemu's word; -: as it is.
machines='
x86_64-manylinux   amd64    -
i686-manylinux     i386     -
aarch64-manylinux  arm64    aarch64
armv7l-manylinux   armhf    arm
s390x-manylinux    s390x    s390x
ppc64le-manylinux  ppc64el  ppc64le
riscv64-manylinux  riscv64  riscv64'
field() { echo "$machines" | awk -v name="$1" -v n="$2" '$1 == name { print $n }'; }

packages='python3 python3-venv python3-cffi'
test_packages='python3-bottle python3-django python3-falcon python3-flask python3-h11 python3-httptools
    python3-hypothesis python3-prometheus-client python3-psutil python3-pytest python3-pytest-xdist
    python3-requests python3-webtest'

# The tests without the package and its source: they find what was installed.
copy_tests() {
    mkdir -p "$1"
    git ls-files -z conf docs pyproject.toml tests tools README.md | xargs -0 tar cf - | (cd "$1" && tar xf -)
}

try_in_a_chroot() {
    machine=$(field "$1" 2) emulator=$(field "$1" 3) root=$(pwd -P)/build/try/$1
    rm -rf "$root"
    mkdir -p "$root/srv/dist"
    # shellcheck disable=SC2086
    sh tools/debian.sh system "$suite" "$machine" "$root" $packages ${tests:+$test_packages} || return 1
    cp dist/*.whl "$root/srv/dist/"
    copy_tests "$root/srv/fapws"
    echo "$tests" >"$root/srv/tests"
    cp tools/try-installed.sh "$root/srv/"
    if [ "$emulator" = - ]; then
        sh tools/enter.sh "$root" sh /srv/try-installed.sh
    else
        sh tools/binfmt.sh "$emulator" sh tools/enter.sh "$root" sh /srv/try-installed.sh
    fi
}

[ "$(id -u)" = 0 ] || die 'making a chroot takes root'
# shellcheck disable=SC2046
[ $# -gt 0 ] || set -- $(echo "$machines" | awk '{ print $1 }')
for target; do
    [ -n "$(field "$target" 2)" ] || die "there is no $target to be tried (tools/try-wheels.sh has the table)"
    say "$target: Debian $suite"
    if try_in_a_chroot "$target"; then
        say "$target: installed, served${tests:+, tested}"
    else
        say "$target: FAILED"
        failed="${failed:-} $target"
    fi
    [ -n "${KEEP:-}" ] || rm -rf "build/try/$target"
done
[ -z "${failed:-}" ] || die "these wheels do not run:$failed"
