#!/bin/sh
# ini.sh -- the example configuration with a system's own places in it, on standard output. Run from the top.
# usage: packaging/ini.sh RUN_DIRECTORY LOG_DIRECTORY SCRIPT [USER]
set -eu
sed -e "s|^pidfile = .*|pidfile = $1/fapws.pid|" \
    -e "s|^control = .*|control = $1/fapws.sock|" \
    -e "s|^error_log = .*|error_log = $2/error.log|" \
    -e "s|^script = .*|script = $3|" \
    -e "s|^#user =\$|${4:+user = $4}|" conf/fapws.ini
