#!/bin/sh
# try-wheels.sh -- every Linux wheel of dist/ is installed and run: where there is no compiler, by a Python of
# its own machine. Takes root and apt; hours for all, so no part of .ci/run.
# usage: tools/try-wheels.sh [TARGET...]       (tools/wheels.sh targets; none: those of the table below)
#
# glibc: a chroot with that machine's Debian, under qemu-user where this processor does not run it. musl, x86_64
# alone: a CPython that tools/musl-python.sh makes, with a PATH of Debian's essential programs. What is tried: pip
# install --no-index, a hello served by way of the accelerator and without it, then tests/wsgi and the wire cases
# against what was installed.
#   SUITE=trixie    which Debian, and with it which Python
#   QEMU=FOLDER     qemu's static programs (those of Debian 13, into build/qemu)
#   T='tests/wsgi -k NAME'    other tests; T= for none
#   LIMIT=3600      seconds for each target (7200)
#   KEEP=1          the chroots in build/try stay
set -eu
cd "$(dirname "$0")/.."
. tools/common.sh
suite=${SUITE:-trixie}
tests=${T-tests/wsgi tests/protocol/test_cases.py} limit=${LIMIT:-7200}

# The target, Debian's word for the machine, qemu's word; -: as it is. Debian's mirrors may be incomplete for a
# machine: then SUITE=sid or bookworm.
machines='
x86_64-manylinux   amd64    -
i686-manylinux     i386     -
aarch64-manylinux  arm64    aarch64
armv7l-manylinux   armhf    arm
s390x-manylinux    s390x    s390x
ppc64le-manylinux  ppc64el  ppc64le
riscv64-manylinux  riscv64  riscv64
x86_64-musllinux   musl     -'
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

# lay_out FOLDER: what try-installed.sh wants there.
lay_out() {
    mkdir -p "$1/dist"
    cp dist/*.whl "$1/dist/"
    copy_tests "$1/fapws"
    echo "$tests" >"$1/tests"
}

# Not this machine's: under 7.2 runs of aarch64 stood still, with children that had ended and that nobody reaped.
get_qemu() {
    qemu=${QEMU:-$(pwd -P)/build/qemu/usr/bin}
    [ -n "${QEMU:-}" ] || [ -e "$qemu/qemu-$1" ] ||
        sh tools/debian.sh alone trixie "$(dpkg --print-architecture)" build/qemu qemu-user
}

try_in_a_chroot() {
    # shellcheck disable=SC2086
    sh tools/debian.sh system "$suite" "$1" "$root" $packages ${tests:+$test_packages} || return 1
    lay_out "$root/srv"
    cp tools/try-installed.sh "$root/srv/"
    if [ "$2" = - ]; then
        timeout "$limit" sh tools/enter.sh "$root" sh /srv/try-installed.sh
    else
        get_qemu "$2" || return 1
        QEMU=$qemu sh tools/binfmt.sh "$2" timeout "$limit" sh tools/enter.sh "$root" sh /srv/try-installed.sh
    fi
}

try_on_musl() {
    musl=$(pwd -P)/build/musl-python
    sh tools/musl-python.sh "$musl" || return 1
    lay_out "$root"
    mkdir "$root/path"
    # shellcheck disable=SC2046
    ln -s $(dpkg -L bash coreutils dash debianutils findutils grep gzip hostname mawk procps sed tar util-linux |
        grep 'bin/.') "$root/path/" 2>/dev/null || :
    [ -e "$root/path/awk" ] || ln -s mawk "$root/path/awk"
    [ -z "$tests" ] || .venv/bin/python -m pip install -q --target "$root/packages" --only-binary :all: \
        --platform musllinux_1_2_x86_64 --platform musllinux_1_1_x86_64 \
        --python-version "$("$musl/bin/python3" -c 'import sys; print("%d.%d" % sys.version_info[:2])')" \
        -r tests/requirements.txt || return 1
    echo "$root/packages" >"$("$musl/bin/python3" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/tests.pth"
    timeout "$limit" env -i PATH="$root/path" LANG=C.UTF-8 sh "$root/fapws/tools/try-installed.sh" "$root" "$musl/bin/python3"
}

[ "$(id -u)" = 0 ] || die 'making a chroot takes root'
# shellcheck disable=SC2046
[ $# -gt 0 ] || set -- $(echo "$machines" | awk '{ print $1 }')
for target; do
    [ -n "$(field "$target" 2)" ] || die "there is no $target to be tried (tools/try-wheels.sh has the table)"
    root=$(pwd -P)/build/try/$target machine=$(field "$target" 2)
    rm -rf "$root"
    mkdir -p "$root"
    say "$target: $machine"
    case $machine in musl) try=try_on_musl ;; *) try=try_in_a_chroot ;; esac
    if $try "$machine" "$(field "$target" 3)"; then
        say "$target: installed, served${tests:+, tested}"
    else
        say "$target: FAILED"
        failed="${failed:-} $target"
    fi
    [ -n "${KEEP:-}" ] || rm -rf "$root"
done
[ -z "${failed:-}" ] || die "these wheels do not run:$failed"
