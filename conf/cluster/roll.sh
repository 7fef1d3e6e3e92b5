#!/bin/sh
# roll.sh -- restarts the instances of Fapws behind a balancer, one after the other, so that no request is lost.
#
# usage: roll.sh [-t SECONDS] [-w SECONDS] CONFIGURATION...
#
# Put the new code in place first. Each instance has a configuration of its own, with pidfile, control and status:
#   drain      it says that it is not ready, serves on, and waits until nothing comes any more
#   restart    the new code, also of Fapws itself
#   /readyz    every pool serves
#   undrain    for a balancer that was told by hand
# If one of these fails, the rest is left alone: the other instances serve as before.
#
#   -t SECONDS   how long a step may take (60)
#   -w SECONDS   how long the balancer takes to see that an instance is ready, or is not (3)
set -eu

seconds=60 pause=3
while getopts t:w: option; do
    case $option in
    t) seconds=$OPTARG ;;
    w) pause=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || {
    echo "usage: roll.sh [-t SECONDS] [-w SECONDS] CONFIGURATION..." >&2
    exit 2
}

say() {
    echo "roll.sh: $*"
}

die() {
    echo "roll.sh: $*" >&2
    exit 1
}

# status_address CONFIGURATION: what it has for status, as curl takes it.
status_address() {
    address=$(fapwsctl -c "$1" dump | sed -n 's/^status = \([^ ;]*\).*/\1/p')
    [ -n "$address" ] || die "$1 has no status address"
    echo "$address"
}

# is_ready ADDRESS
is_ready() {
    case $1 in
    unix:*) set -- --unix-socket "${1#unix:}" http://localhost/readyz ;;
    *) set -- "http://$1/readyz" ;;
    esac
    curl -fs -m 5 -o /dev/null "$@"
}

# wait_until_ready CONFIGURATION ADDRESS
wait_until_ready() {
    left=$seconds
    until is_ready "$2"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || die "$1 is not ready after $seconds s"
        sleep 1
    done
}

# All are looked at before the first is touched: two that are away at a time may be too many.
for file; do
    address=$(status_address "$file")
    is_ready "$address" || die "$file is not ready, so nothing was done (http://$address/readyz says why)"
done

for file; do
    say "$file"
    fapwsctl -c "$file" -t "$seconds" drain || die "$file cannot be drained"
    sleep "$pause"
    fapwsctl -c "$file" -t "$seconds" restart || die "$file does not start; the others serve as before"
    wait_until_ready "$file" "$(status_address "$file")"
    fapwsctl -c "$file" undrain || die "$file cannot be made ready"
    sleep "$pause"
done
say "$# instances restarted"
