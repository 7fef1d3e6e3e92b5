#!/bin/sh
# uninstall.sh -- removes what tools/install.py brought below a prefix, and nothing else. Needs no Python.
# usage: tools/uninstall.sh PREFIX [DESTDIR]
#
# PREFIX/lib/fapws/installed lists files and, with a / at the end, the folders that installing made, each
# relative to the prefix. A folder goes when it is empty then.
set -eu
# shellcheck source=tools/common.sh
. "$(dirname "$0")/common.sh"
prefix=$1
# shellcheck disable=SC2088
case $prefix in '~' | '~/'*) prefix=$HOME${prefix#'~'} ;; esac
case $prefix in /*) ;; *) prefix=$(pwd)/$prefix ;; esac
record=lib/fapws/installed
root=$(cd "${2:-}$prefix" 2>/dev/null && [ -r $record ] && pwd) || die "nothing is installed below ${2:-}$prefix"

# The whole path of a line. A folder above the prefix begins with ../, which would lead nowhere once the
# prefix itself is gone.
whole() {
    base=$root rest=${1#./}
    while [ "$rest" != "${rest#../}" ]; do base=${base%/*} rest=${rest#../}; done
    printf '%s/%s\n' "$base" "$rest"
}
# All is read before the list goes with the rest. Backwards: a folder comes after what is in it.
paths=$(while IFS= read -r line; do whole "$line"; done <"$root/$record" | LC_ALL=C sort -r)
cd /
printf '%s\n' "$paths" | while IFS= read -r path; do
    case $path in */) ;; *) rm -f "$path" ;; esac
done
rm -rf "$root/lib/fapws"
printf '%s\n' "$paths" | while IFS= read -r path; do
    case $path in */) rmdir "${path%/}" 2>/dev/null || true ;; esac
done
say "removed from $root"
