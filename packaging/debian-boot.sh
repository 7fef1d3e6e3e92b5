#!/bin/sh
# debian-boot.sh -- the service in a Debian that was booted: started, reloaded, upgraded while it serves, removed.
# Run by systemd in a container (tools/deb.sh boot), with the package as /fapws.deb; what it says ends in /result.
set -eu
exec >/result 2>&1
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
trap 'kill -s RTMIN+4 1' EXIT # systemd(1): power off
die() { echo "debian-boot: $*"; journalctl --no-pager -n 40 -u 'fapws*' || :; exit 1; }
fetch() { python3 -c 'import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=10).read().decode())' "$1"; }
main() { systemctl show -p MainPID --value fapws; }
serves() { fetch http://127.0.0.1:8888/ | grep -q Hello || die "it does not serve $1"; }

dpkg -P fapws && rm -rf /etc/fapws /var/log/journal # of a run that failed
dpkg -i /fapws.deb
! systemctl -q is-active fapws || die 'it was started by itself'
! systemctl -q is-enabled fapws || die 'it was enabled by itself'
systemctl start fapws
serves 'after the start'
systemctl show -p StatusText --value fapws
pid=$(main)
systemctl reload fapws
serves 'after a reload'

# Two more, one of which is left alone, of the template.
mkdir -p /etc/fapws
for name in shop blog; do
    sed -e "s|/run/fapws/|/run/fapws/$name/|; s|error[.]log|$name.log|; s|127.0.0.1:8888|unix:/run/fapws/$name/s|" \
        /etc/fapws.ini >/etc/fapws/$name.ini
done
systemctl start fapws@shop || die 'fapws@shop does not start'
shop=$(systemctl show -p MainPID --value fapws@shop)

dpkg -i /fapws.deb
[ "$(main)" = "$pid" ] || die 'the upgrade has started it anew'
[ "$(systemctl show -p MainPID --value fapws@shop)" = "$shop" ] || die 'the upgrade has started fapws@shop anew'
! systemctl -q is-active fapws@blog || die 'the upgrade has started what did not run'
grep 'upgraded in place' /var/log/fapws/error.log /var/log/fapws/shop.log
[ "$(grep -l 'upgraded in place' /var/log/fapws/*.log | wc -l)" = 2 ] || die 'the code of one was not replaced'
serves 'after the upgrade'
worker=$(fapwsctl -j status | sed 's/.*"workers": \[{[^]]*"pid": \([0-9]*\).*/\1/')
[ "$(stat -c %U "/proc/$worker")" = fapws ] || die "the worker is $(stat -c %U "/proc/$worker")'s"
systemctl kill -s KILL --kill-whom=main fapws
for _ in 1 2 3 4 5 6 7 8 9 10; do systemctl -q is-active fapws && break; sleep 1; done
serves 'after its master was killed'

systemctl enable fapws
dpkg -r fapws
! systemctl -q is-active fapws fapws@shop || die 'it still runs after it was removed'
rm /etc/fapws/shop.ini /etc/fapws/blog.ini
dpkg -P fapws
for path in /etc/fapws /etc/fapws.ini /var/log/fapws /run/fapws /etc/systemd/system/multi-user.target.wants/fapws.service; do
    [ ! -e "$path" ] || die "purge left $path"
done
! getent passwd fapws || die 'purge left the user'
echo 'debian-boot: started, reloaded, upgraded in place, killed and back, removed and purged under systemd'
