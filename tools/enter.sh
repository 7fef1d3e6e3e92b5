#!/bin/sh
# enter.sh -- a program in a chroot that has /proc, /sys and a /dev of its own. Takes root.
# usage: tools/enter.sh ROOT COMMAND [WORDS]
#
# Processes and mounts end with the namespaces, whatever ends the command. The environment is a bare one. The first
# process in there is a shell of this machine, which reaps whom others leave behind.
set -eu
# shellcheck disable=SC2016
exec unshare --mount --pid --fork --kill-child sh -eu -c '
root=$1; shift
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm"
for device in null zero full random urandom tty; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for stream in stdin:0 stdout:1 stderr:2; do
    ln -s "fd/${stream#*:}" "$root/dev/${stream%:*}"
done
chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    ${CI:+CI="$CI"} "$@" || exit
exit 0' sh "$@"
