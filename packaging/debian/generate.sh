#!/bin/sh
# generate.sh -- what the package takes from conf/, with Debian's places in it. Run by debian/rules, from the top.
set -eu

for unit in fapws fapws@; do
    sed -e 's|/usr/local/bin/|/usr/bin/|' -e '/^# Copy to/,/^$/d' -e '/^# Several services/,/^$/d' \
        "conf/systemd/$unit.service" >"debian/$unit.service"
done

# Every service that runs has its logs opened anew; one that does not run is no mistake.
# shellcheck disable=SC2016
sed -e '/^# Linux: copy to/,/^#$/d' \
    -e 's|^\( *\)/usr/local/bin/fapwsctl -c /etc/fapws.ini reopen.*|\1for file in /etc/fapws.ini /etc/fapws/*.ini; do\
\1    [ ! -e "$file" ] \|\| /usr/bin/fapwsctl -c "$file" reopen >/dev/null 2>\&1 \|\| :\
\1done|' conf/logrotate/fapws >debian/fapws.logrotate

# The shipped configuration, with the places that the unit makes and the user that the package brings.
mkdir -p debian/etc
sh packaging/ini.sh /run/fapws /var/log/fapws /usr/share/fapws/hello.py fapws >debian/etc/fapws.ini
