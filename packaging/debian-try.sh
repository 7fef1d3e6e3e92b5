#!/bin/sh
# debian-try.sh -- the package's life in a Debian that has never seen it: installed, served, upgraded, removed,
# purged. usage, as root of a chroot with the package as /fapws.deb: sh debian-try.sh (tools/deb.sh install)
#
# There is no systemd that runs: the service's command is started by hand, as the unit would, and units are
# looked at by systemd-analyze.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
die() { echo "debian-try: $*" >&2; exit 1; }
state() { # every file and user, without what apt, dpkg and caches keep
    find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /var/cache -o -path /var/lib/apt \
        -o -path /var/lib/dpkg -o -path /var/log -o -path /run/systemd -o -path /fapws.deb -o -path /try.sh -o -name __pycache__ \) -prune \
        -o -print | grep -Ev '^/var/lib/(systemd|ucf|python)|^/etc/[^/]*-$|^/(usr/)?lib/python3/|^/var/backups' | LC_ALL=C sort
    cut -d: -f1 /etc/passwd /etc/group
    ls /var/log
}
fetch() { python3 -c 'import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=10).read().decode())' "$1"; }

apt-get update -q >/dev/null
# What it depends on, first: what is left behind afterwards is the package's own.
# shellcheck disable=SC2046
apt-get install -y -q --no-install-recommends $(dpkg-deb -f /fapws.deb Depends | sed 's/([^)]*)//g; s/|[^,]*//g; s/,/ /g') >/dev/null
apt-get clean
state >/tmp/before
apt-get install -y -q --no-install-recommends /fapws.deb
getent passwd fapws
dpkg -s fapws | grep '^Status: install ok installed'
fapws --version
[ ! -e /etc/systemd/system/multi-user.target.wants/fapws.service ] || die 'it is enabled'
systemd-analyze verify --recursive-errors=no /lib/systemd/system/fapws.service || die 'the unit'
man -w fapws fapwsctl fapws4 fapws.ini

# What the unit makes, and what it runs.
install -d -m 755 /run/fapws
install -d -m 755 /var/log/fapws
fapwsctl configtest
# With what the unit leaves of root's rights.
rights=$(sed -n 's/^CapabilityBoundingSet=//p' /lib/systemd/system/fapws.service | sed 's/CAP_/+/g; s/ /,/g' | tr '[:upper:]' '[:lower:]')
setpriv --no-new-privs --bounding-set "-all,$rights" fapwsctl start
fetch http://127.0.0.1:8888/ | grep -q 'Hello' || die 'it does not serve'
worker=$(fapwsctl -j status | sed 's/.*"workers": \[{[^]]*"pid": \([0-9]*\).*/\1/')
[ "$(stat -c %U "/proc/$worker")" = fapws ] || die "the worker is $(stat -c %U "/proc/$worker")'s"
logrotate -s /tmp/status -f /etc/logrotate.d/fapws
if [ ! -s /var/log/fapws/error.log.1 ] || [ ! -e /var/log/fapws/error.log ]; then die 'the log was not rotated'; fi
before=$(cat /run/fapws/fapws.pid)
apt-get install -y -q --reinstall /fapws.deb >/dev/null
fapwsctl upgrade
[ "$(cat /run/fapws/fapws.pid)" = "$before" ] || die 'another process after the upgrade'
fetch http://127.0.0.1:8888/ | grep -q 'Hello' || die 'it does not serve after the upgrade'
fapwsctl stop
rmdir /run/fapws
fapws --selftest=10

apt-get remove -y -q fapws >/dev/null
[ -e /etc/fapws.ini ] || die 'remove took the configuration'
[ ! -e /usr/bin/fapws ] || die 'remove left the program'
apt-get purge -y -q fapws >/dev/null
apt-get clean
state >/tmp/after
diff /tmp/before /tmp/after || die 'purge left something behind, or took too much'
rm /tmp/status /tmp/before /tmp/after
echo 'debian-try: installed, served, upgraded, removed and purged without a trace'
