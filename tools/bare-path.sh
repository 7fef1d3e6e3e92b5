#!/bin/sh
# bare-path.sh -- a folder of links to the programs that a bare Debian has, with git, make and what
# bootstrap.sh installs for the tests, and to no other. `PATH=that/folder make test` then shows that the
# tests start nothing which a stranger's machine may lack.
# usage: tools/bare-path.sh FOLDER          (after tools/bootstrap.sh test)
set -eu
cd "$(dirname "$0")/.."
. tools/common.sh
folder=$1
have dpkg-query || die 'this is for Debian'

# What debootstrap calls minbase, and what set-up brings; of packages that are there, with all they need.
given=$(dpkg-query -W -f '${Essential} ${Priority} ${Package}\n' | sed -n 's/^yes [^ ]* //p; s/^[^ ]* required //p')
# shellcheck disable=SC2046,SC2086
packages=$(apt-cache depends --recurse --installed --no-recommends --no-suggests --no-conflicts --no-breaks \
    --no-replaces --no-enhances $given apt git make $(PYTHON=/usr/bin/python3 sh tools/bootstrap.sh packages) |
    sed -n 's/^\([a-z0-9].*\)/\1/p' | sort -u)
rm -rf "$folder"
mkdir -p "$folder"
# A program is also what a link leads to (cc, awk: alternatives), and /bin may be /usr/bin.
# shellcheck disable=SC2086
dpkg-query -L $packages 2>/dev/null | grep -E '^(/usr)?/s?bin/[^/]*$' |
    xargs readlink -f | sort -u >"$folder.owned"
for directory in /usr/local/bin /usr/bin /usr/sbin /bin /sbin; do
    for program in "$directory"/*; do echo "$program"; done
done | while IFS= read -r program; do echo "$(readlink -f "$program") $program"; done |
    awk 'NR == FNR { owned[$1] = 1; next } $1 in owned { print $2 }' "$folder.owned" - |
    while IFS= read -r program; do ln -sf "$program" "$folder/${program##*/}"; done
rm "$folder.owned"
