#!/bin/sh
# roll.sh -- restarts the instances of Fapws behind a balancer, one after the other, so that no request is lost.
#
# usage: roll.sh [-n] [-e SSH] [-p PROGRAM] [-r COMMAND] [-t SECONDS] [-w SECONDS] [HOST:]CONFIGURATION...
#
#     roll.sh one:/etc/fapws.ini two:/etc/fapws.ini three:/etc/fapws.ini
#
# Put the new code in place first. HOST (or USER@HOST) is reached by ssh; without it the instance is on this machine.
# Each has a pidfile and a control socket in its configuration. For each in turn:
#   drain      it says that it is not ready, serves on, and waits until nothing comes any more
#   restart    the new code, also of Fapws itself
#   health     until every pool serves
#   undrain    for a balancer that was told by hand
# If one of these fails, the rest is left alone: the other instances serve as before.
#
#   -n           the balancer does not look (nginx): after 2 seconds of drain, in which kept connections end, the
#                restart follows, though requests still come; what is refused meanwhile it sends to another. Then -w
#                has to be longer than the time for which it passes over an instance that has refused
#   -e SSH       how another machine is reached (ssh -o BatchMode=yes)
#   -p PROGRAM   fapwsctl there, such as 'sudo /usr/local/bin/fapwsctl' (fapwsctl)
#   -r COMMAND   what restarts an instance there, with its configuration as $1; under systemd
#                'systemctl restart fapws' (fapwsctl restart)
#   -t SECONDS   how long a step may take (60)
#   -w SECONDS   how long the balancer takes to see that an instance is ready, or is not (3)
set -eu

ssh='ssh -o BatchMode=yes' program=fapwsctl restart='' seconds=60 pause=3 looks=yes
usage() {
    sed -n 's/^# usage: /usage: /p' "$0" >&2
    exit 2
}
while getopts ne:p:r:t:w: option; do
    case $option in
    n) looks=no ;;
    e) ssh=$OPTARG ;;
    p) program=$OPTARG ;;
    r) restart=$OPTARG ;;
    t) seconds=$OPTARG ;;
    w) pause=$OPTARG ;;
    *) usage ;;
    esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || usage

say() {
    echo "roll.sh: $*"
}

die() {
    echo "roll.sh: $*" >&2
    exit 1
}

quoted() {
    printf "'%s'" "$(printf %s "$1" | sed "s/'/'\\\\''/g")"
}

# host_of INSTANCE: empty for one of this machine.
host_of() {
    case $1 in
    *:*)
        case ${1%%:*} in
        */*) ;;
        *) echo "${1%%:*}" ;;
        esac
        ;;
    esac
}

file_of() {
    if [ -n "$(host_of "$1")" ]; then echo "${1#*:}"; else echo "$1"; fi
}

# there INSTANCE TEXT: a line of shell, where the instance is.
there() {
    host=$(host_of "$1")
    # shellcheck disable=SC2086
    if [ -n "$host" ]; then $ssh "$host" "$2"; else sh -c "$2"; fi </dev/null
}

# control INSTANCE COMMAND [SECONDS]
control() {
    there "$1" "$program -c $(quoted "$(file_of "$1")") -t ${3:-$seconds} $2"
}

restart() {
    if [ -n "$restart" ]; then
        there "$1" "sh -c $(quoted "$restart") sh $(quoted "$(file_of "$1")")"
    else
        control "$1" restart
    fi
}

wait_until_healthy() {
    left=$seconds
    until control "$1" health; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || die "$1 is not ready after $seconds s"
        sleep 1
    done
}

drain() {
    if [ $looks = yes ]; then
        control "$1" drain && sleep "$pause"
    else
        control "$1" drain 2 || say 'it serves on, and is restarted all the same'
    fi
}

# All are looked at before the first is touched: two that are away at a time may be too many.
for instance; do
    control "$instance" health || die "$instance is not ready, so nothing was done"
done

for instance; do
    say "$instance"
    drain "$instance" || die "$instance cannot be drained"
    restart "$instance" || die "$instance does not start; the others serve as before"
    wait_until_healthy "$instance"
    control "$instance" undrain || die "$instance cannot be made ready"
    sleep "$pause"
done
say "all restarted"
