#!/bin/sh
# binfmt.sh -- the kernel runs programs of another machine by qemu-user, for as long as one command takes.
# usage: tools/binfmt.sh MACHINE COMMAND [WORDS]      MACHINE is qemu's word: aarch64, arm, s390x, ...
#
# Takes root and qemu-user-static. The kernel opens qemu when it is told of it, so a chroot needs none.
#   QEMU=FOLDER     qemu's programs lie there (they must be static), instead of those of PATH
set -eu
cd "$(dirname "$0")/.."
. tools/common.sh
machine=$1 place=/proc/sys/fs/binfmt_misc
shift

# The ELF header of a program: class (1: 32 bits), byte order (1: little), type 2 or 3, the machine's number.
case $machine in
    aarch64) header='2 1 \xb7' ;;
    arm) header='1 1 \x28' ;;
    ppc64le) header='2 1 \x15' ;;
    riscv64) header='2 1 \xf3' ;;
    s390x) header='2 2 \x16' ;;
    *) die "tools/binfmt.sh knows nothing of $machine" ;;
esac
# shellcheck disable=SC2086
set_header() { class=$1 order=$2 number=$3; }
# shellcheck disable=SC2086
set_header $header
any='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff'
if [ "$order" = 1 ]; then
    kind="\\x02\\x00$number\\x00" mask="$any\\xfe\\xff\\xff\\xff"
else
    kind="\\x00\\x02\\x00$number" mask="$any\\xff\\xfe\\xff\\xff"
fi
magic="\\x7fELF\\x0$class\\x0$order\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00$kind"

emulator=$(PATH=${QEMU:-$PATH} command -v "qemu-$machine-static" ||
    PATH=${QEMU:-$PATH} command -v "qemu-$machine") ||
    die "programs of $machine need qemu-user-static"
[ -e $place/register ] || mount -t binfmt_misc binfmt_misc $place || die 'this kernel knows no binfmt_misc'
# P: the program hears its own name; F: opened now.
# What the machine has set up itself serves, unless a certain qemu was asked for: the last that was told is taken.
if [ -n "${QEMU:-}" ] || [ ! -e "$place/qemu-$machine" ]; then
    printf ':fapws-%s:M::%s:%s:%s:PF' "$machine" "$magic" "$mask" "$emulator" >$place/register
    trap 'echo -1 >"$place/fapws-$machine"' EXIT
    trap 'exit 1' HUP INT TERM
fi
"$@"
