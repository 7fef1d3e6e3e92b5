#!/bin/sh
# nginx-server.sh -- takes a server out of nginx's upstream, or in again, and has nginx read its files.
#
# usage: nginx-server.sh out|in NAME
#
# NAME is the comment at the end of the server's line, as in nginx.conf beside this file. roll.sh calls it:
#
#     roll.sh -x 'ssh balancer nginx-server.sh' one:/etc/fapws.ini two:/etc/fapws.ini
#
# which gives as NAME the host, or for a file of this machine its name without the folder and `.ini`.
#
#   UPSTREAM        where the upstream is (/etc/nginx/conf.d/fapws.conf)
#   NGINX_PROGRAM   the program, with options if it needs them (nginx)
set -eu

file=${UPSTREAM:-/etc/nginx/conf.d/fapws.conf}
nginx=${NGINX_PROGRAM:-nginx}
case ${1:-} in
out | in) ;;
*)
    echo "usage: nginx-server.sh out|in NAME" >&2
    exit 2
    ;;
esac

# The file keeps its owner and mode; a mistake in it is put back.
before=$(cat "$file")
after=$(printf '%s\n' "$before" | awk -v what="$1" -v name="$2" '
    $1 == "server" && $(NF - 1) == "#" && $NF == name {
        sub(/ down;/, ";")
        if (what == "out")
            sub(/;/, " down;")
        found = 1
    }
    { print }
    END { exit !found }') || {
    echo "nginx-server.sh: $file has no server line that ends with \"# $2\"" >&2
    exit 1
}
printf '%s\n' "$after" >"$file"
# shellcheck disable=SC2086
if ! $nginx -q -t; then
    printf '%s\n' "$before" >"$file"
    exit 1
fi
# shellcheck disable=SC2086
exec $nginx -q -s reload
