#!/bin/sh
# bootstrap.sh -- sees to it that the machine can build Fapws; installs what is missing.
# usage: tools/bootstrap.sh [test]     (test: also what only the tests need)
#        tools/bootstrap.sh packages   (says what it would install for the tests if nothing were there)
#
# What counts is what works, not which packages are registered: each need is a probe. Only when one
# fails is the package manager called, with sudo or doas when not root; without rights, also when sudo
# refuses, the one command to type is printed and the exit status is 1. What the package manager says
# goes to build/packages.log. Never removes or upgrades anything by itself.
#
# The tests may start what is probed here, and what every system has (the shell, coreutils, mount). A
# test that looks for more (mandoc, haproxy, a browser) skips itself, with the reason, where that is not.
set -eu
cd "$(dirname "$0")/.."
. tools/common.sh
purpose=${1:-build}
scratch=$(mktemp -d "${TMPDIR:-/tmp}/fapws.XXXXXX")
log=build/packages.log
trap 'rm -rf "$scratch"' EXIT

# ---- Probes: one function per need, true when it is met ------------------------------------------

probe_compiler() {
    printf '#include <stdio.h>\nint main(void) { return puts("") == EOF; }\n' >"$scratch/probe.c"
    ${CC:-cc} -o "$scratch/probe" "$scratch/probe.c" >/dev/null 2>&1 && "$scratch/probe" >/dev/null
}
probe_libuv() {
    [ -n "${LIBUV_LIBS+set}" ] || { have pkg-config && pkg-config --exists 'libuv >= 1.40'; }
}
probe_python() { [ -n "$(find_python)" ]; }
probe_headers() {
    "$(find_python)" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))' 2>/dev/null
}
probe_venv() { "$(find_python)" -c 'import venv, ensurepip' 2>/dev/null; }
# cffi comes as a ready wheel for these; elsewhere pip compiles it, which takes libffi's headers.
probe_libffi() {
    case $(uname -s)/$(uname -m) in
        Linux/x86_64 | Linux/aarch64 | Darwin/*) return 0 ;;
    esac
    "$(find_python)" -c 'import sys; sys.exit(sys.implementation.name != "pypy")' && return 0
    pkg-config --exists libffi 2>/dev/null
}
# Django's sample site keeps its sessions in SQLite.
probe_sqlite() { [ "$purpose" != test ] || ! probe_python || "$(find_python)" -c 'import sqlite3' 2>/dev/null; }

# busybox has a ps that knows none of these words.
probe_ps() { [ "$purpose" != test ] || ps axeww -o pid= -o stat= -o args= >/dev/null 2>&1; }
probe_curl() { [ "$purpose" != test ] || curl --version >/dev/null 2>&1; }

NEEDS='compiler libuv python headers venv libffi sqlite ps curl'

text_of() {
    python=$(find_python)
    python=${python:-Python}
    case $1 in
        compiler) echo 'a C compiler that works' ;;
        libuv) echo 'libuv 1.40 or later with its headers, known to pkg-config' ;;
        python) echo 'Python 3.9 or later' ;;
        headers) echo "the C headers of $python" ;;
        venv) echo "the modules venv and ensurepip of $python" ;;
        libffi) echo 'libffi with its headers (to compile cffi)' ;;
        sqlite) echo "the module sqlite3 of $python" ;;
        ps) echo 'ps that shows every process with its environment' ;;
        curl) echo curl ;;
    esac
}

# What is missing, as names.
missing() {
    found=''
    for need in $NEEDS; do
        "probe_$need" || found="$found $need"
    done
    echo "$found"
}

# ---- Package managers: which there is, how it is called, what a need is called there ---------------

manager() {
    case $(uname -s) in
        OpenBSD) echo pkg_add ;;
        FreeBSD | DragonFly) echo pkg ;;
        Darwin) have brew && echo brew ;;
        *) for name in apt-get apk dnf; do if have $name; then echo $name; return; fi; done ;;
    esac
}

# The prefix of Debian's package names for the Python in use: python3, python3.12, pypy3.
debian_python() {
    probe_python || { echo python3; return; }
    name=$(basename "$(find_python)")
    case $name in python3.* | pypy3) echo "$name" ;; *) echo python3 ;; esac
}
freebsd_python() { "$(find_python)" -c 'import sys; print("py3%d" % sys.version_info[1])' 2>/dev/null || echo py311; }

packages_for() { # MANAGER NEED
    case $1/$2 in
        apt-get/ps | apk/ps) echo procps ;;
        dnf/ps) echo procps-ng ;;
        */curl) echo curl ;;
        apt-get/compiler) echo gcc libc6-dev ;;
        apt-get/libuv) echo pkg-config libuv1-dev ;;
        apt-get/python) echo python3 ;;
        apt-get/headers) echo "$(debian_python)-dev" ;;
        apt-get/venv) echo "$(debian_python)-venv" ;;
        apt-get/libffi) echo pkg-config libffi-dev ;;
        apt-get/sqlite) echo libsqlite3-0 ;;
        apk/compiler) echo gcc musl-dev ;;
        apk/libuv) echo pkgconf libuv-dev ;;
        apk/python | apk/venv) echo python3 ;;
        apk/headers) echo python3-dev ;;
        apk/libffi) echo pkgconf libffi-dev ;;
        apk/sqlite) echo python3 sqlite-libs ;;
        dnf/compiler) echo gcc glibc-devel libasan libubsan ;;
        dnf/libuv) echo pkgconf-pkg-config libuv-devel ;;
        dnf/python | dnf/venv | dnf/sqlite) echo python3 python3-pip ;;
        dnf/headers) echo python3-devel ;;
        dnf/libffi) echo pkgconf-pkg-config libffi-devel ;;
        pkg/libuv) echo pkgconf libuv ;;
        pkg/python | pkg/headers | pkg/venv) echo python3 ;;
        pkg/libffi) echo pkgconf libffi ;;
        pkg/sqlite) echo "$(freebsd_python)-sqlite3" ;;
        pkg_add/libuv) echo libuv ;;
        pkg_add/python | pkg_add/headers | pkg_add/venv | pkg_add/sqlite) echo python%3 ;;
        pkg_add/libffi) echo libffi ;;
        brew/libuv) echo pkg-config libuv ;;
        brew/python | brew/headers | brew/venv | brew/sqlite) echo python3 ;;
        brew/libffi) echo pkg-config libffi ;;
    esac
}

command_for() { # MANAGER PACKAGES: the one command that installs them
    case $1 in
        apt-get) echo "apt-get update; DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends$2" ;;
        apk) echo "apk add$2" ;;
        dnf) echo "dnf install -y$2" ;;
        pkg) echo "pkg install -y$2" ;;
        pkg_add) echo "pkg_add -I$2" ;;
        brew) echo "brew install$2" ;;
    esac
}

# Prints what to put before a command to have it run with the rights to install; fails without.
# A password is asked for only where somebody sits at a terminal.
rights() {
    if [ "$(id -u)" = 0 ] || [ "$1" = brew ]; then echo; return; fi
    for program in sudo doas; do
        have $program || continue
        if $program -n true >/dev/null 2>&1; then echo "$program -n"; return; fi
        if [ -t 0 ] && [ -t 2 ]; then echo $program; return; fi
    done
    return 1
}

no_rights() {
    die "no right to install packages here. As root, type
    $1
and then make again."
}

# install PREFIX COMMAND: the prefix may refuse only when it is called (a user whom sudo does not know,
# a wrong password); COMMAND leaves a mark when it begins, so that the two kinds of failure are told apart.
install() {
    mkdir -p build
    # shellcheck disable=SC2016
    begin='exec 2>&1; : >"$1"; eval "$2"'
    # shellcheck disable=SC2086
    if ! $1 sh -c "$begin" sh "$scratch/began" "$2" </dev/null >$log; then
        [ -e "$scratch/began" ] || no_rights "$2"
        tail -n 20 $log >&2
        die "installing failed; all that was said is in $(pwd)/$log: $2"
    fi
}

# ---- The work ----------------------------------------------------------------------------------------

manager=$(manager)
if [ "$purpose" = packages ]; then
    for need in $NEEDS; do packages_for "$manager" "$need"; done
    exit
fi
# Twice at most: what a Python lacks is known only once there is one.
for _ in 1 2; do
    lacking=$(missing)
    [ -n "$lacking" ] || exit 0
    packages=''
    say 'this machine lacks:'
    for need in $lacking; do
        echo "    $(text_of "$need")"
        for package in $(packages_for "${manager:-none}" "$need"); do
            case " $packages " in *" $package "*) ;; *) packages="$packages $package" ;; esac
        done
    done
    [ "$(uname -s)" != Darwin ] || probe_compiler || die 'type: xcode-select --install, then make again'
    [ -n "$manager" ] || die 'no package manager that this script knows; install these by hand'
    [ -n "$packages" ] || break
    command=$(command_for "$manager" "$packages")
    prefix=$(rights "$manager") || no_rights "$command"
    say "installing:$packages (what $manager says: $log)"
    # apt-get update may complain of a source that has nothing to do with this; the install decides.
    install "$prefix" "$command"
done

lacking=$(missing)
[ -z "$lacking" ] || die "packages do not bring it: $(for need in $lacking; do text_of "$need"; done)
See to it by hand, or choose another Python: make PYTHON=/usr/bin/python3"
