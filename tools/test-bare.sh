#!/bin/sh
# test-bare.sh -- `make test` in a chroot that has nothing but what debootstrap calls minbase, git and make.
# Takes root, debootstrap and a mirror of Debian. Exit 0: it passed.
# usage: tools/test-bare.sh SUITE [USER] [make words]     (tools/test-bare.sh trixie; trixie joe run)
#
#   SUITE   bookworm, trixie, sid: brings its Python and its libuv
#   USER    root, or another name: an ordinary user who is made there, with sudo that asks for no password
#
# The clone is tested as it is committed. The chroots stay below build/bare-SUITE, the fresh one as a
# tar file, so that the next time begins with it. Processes and mounts end with the namespaces.
#   MIRROR=http://host/debian     another mirror
#   KEEP='file...'                files of this machine to copy there: apt's and pip's configuration
#   PLACE=/srv/fapws              where the clone is to be there
#   PACKAGES='name...'            what else to install first: pypy3, for make words with PYTHON=pypy3
set -eu
cd "$(dirname "$0")/.."
. tools/common.sh
suite=$1 user=${2:-root}
[ $# -lt 2 ] || shift
shift
[ $# -gt 0 ] || set -- test
[ "$(id -u)" = 0 ] || die 'making a chroot takes root'
have debootstrap || die 'there is no debootstrap here (Debian: apt-get install debootstrap)'
root=$(pwd -P)/build/bare-$suite

if [ ! -e "$root.tar" ]; then
    rm -rf "$root"
    mkdir -p "$root"
    say "making a bare chroot of $suite"
    debootstrap --variant=minbase "$suite" "$root" ${MIRROR:+"$MIRROR"} >"$root.log" || die "see $root.log"
    tar cf "$root.new" -C "$root" . && mv "$root.new" "$root.tar"
fi
rm -rf "$root"
mkdir -p "$root"
tar xf "$root.tar" -C "$root"
for file in /etc/resolv.conf /etc/hosts ${KEEP:-}; do
    mkdir -p "$root$(dirname "$file")"
    cp "$file" "$root$file"
done

enter() { sh tools/enter.sh "$root" "$@"; }
place=${PLACE:-/srv/fapws} sudo=''
[ "$user" = root ] || sudo=sudo
# shellcheck disable=SC2086
enter sh -c "apt-get update && apt-get install -y --no-install-recommends git make $sudo ${PACKAGES:-}" \
    >"$root.log" || die "see $root.log"
git clone -q . "$root$place"
if [ "$user" != root ]; then
    enter useradd -m "$user"
    echo "$user ALL=(ALL) NOPASSWD: ALL" >"$root/etc/sudoers.d/$user"
    enter chown -R "$user" "$place"
fi
say "$suite, $user: make $*"
# shellcheck disable=SC2016
enter setpriv --reuid "$user" --regid "$(enter id -g "$user")" --init-groups sh -c \
    'HOME=$(getent passwd "$1" | cut -d: -f6) && export HOME && cd "$2" && shift 2 && exec make "$@"' sh "$user" "$place" "$@"
