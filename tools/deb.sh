#!/bin/sh
# deb.sh -- Debian's package of this tree.
# usage: tools/deb.sh build     leaves fapws_VERSION_ARCH.deb and what belongs to it in build/deb/
#        tools/deb.sh check     lintian finds nothing, systemd takes the unit and holds it for safe
#        tools/deb.sh install   in a new Debian below build/deb/ (root): installed, upgraded, removed, purged
#        tools/deb.sh boot      the same Debian booted in a container (root, systemd-nspawn): the service under systemd
#
# What is missing of debhelper and its kin is named by dpkg-buildpackage; `tools/deb.sh needs` prints what to install.
set -eu
cd "$(dirname "$0")/.."
. tools/common.sh
here=$(pwd -P) top=build/deb
name=$(sed -n '1s/^\([^ ]*\) (.*/\1/p' packaging/debian/changelog)
version=$(sed -n '1s/.*(\(.*\)).*/\1/p' packaging/debian/changelog)
MOST_EXPOSURE=30 # of systemd-analyze security, in tenths

needs() {
    sed -n '/^Build-Depends:/,/^[A-Z].*:/p' packaging/debian/control | sed '$d' |
        sed 's/^Build-Depends://; s/([^)]*)//; s/,//; s/debhelper-compat/debhelper/; s/dh-sequence-python3/dh-python/
            /dh-sequence/d' | tr -d '\n'
    echo ' dpkg-dev fakeroot lintian'
}

# The source is the source distribution, as anybody has it; debian/ is laid beside.
build() {
    rm -rf "$top/work"
    mkdir -p "$top/work"
    .venv/bin/python -W ignore setup.py -q sdist -d "$top/work" >"$top/log" 2>&1 || { tail "$top/log"; die 'no sdist'; }
    archive=$(echo "$top"/work/fapws-*.tar.gz)
    mv "$archive" "$top/work/${name}_${version%-*}.orig.tar.gz"
    (
        cd "$top/work"
        mkdir source
        gzip -dc "${name}_${version%-*}.orig.tar.gz" | tar xf - -C source --strip-components 1
        cp -R "$here/packaging/debian" source/debian
        cd source
        unset CC CFLAGS FAPWS_WERROR FAPWS_PURE VIRTUAL_ENV PYTHON MAKEFLAGS MFLAGS MAKELEVEL
        PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 dpkg-buildpackage -us -uc
    ) >"$top/log" 2>&1 || { tail -30 "$top/log" >&2; die "see $top/log"; }
    rm -f "$top"/*.deb "$top"/*.dsc "$top"/*.changes "$top"/*.buildinfo "$top"/*.tar.*
    find "$top/work" -maxdepth 1 -type f -exec mv {} "$top/" \;
    rm -rf "$top/work"
    for deb in "$top"/*.deb; do say "$deb"; done
}
the_deb() { echo "$here/$top/${name}_${version}_$(dpkg --print-architecture).deb"; }

check() {
    lintian --version >/dev/null || die 'lintian is not installed'
    lintian --fail-on error,warning --info "$top"/*.changes || die 'lintian found something'
    rm -rf "$top/root"
    dpkg-deb -x "$(the_deb)" "$top/root"
    unit=$(find "$top/root" -name fapws.service)
    # verify looks for the programs where they will be; here they are below the root of the package.
    sed "s|/usr/bin/|$here/$top/root/usr/bin/|" "$unit" >"$top/fapws.service"
    systemd-analyze verify --man=no --recursive-errors=no "$top/fapws.service" || die 'systemd does not take the unit'
    exposure=$(systemd-analyze security --offline=true "$top/fapws.service" | tee "$top/security.log" |
        sed -n 's/.*Overall exposure level[^:]*: \([0-9]*\)\.\([0-9]\).*/\1\2/p')
    [ "${exposure:-99}" -le $MOST_EXPOSURE ] || { cat "$top/security.log"; die "the unit is exposed too much"; }
    say "lintian found nothing; exposure of the unit: ${exposure%?}.${exposure#"${exposure%?}"}"
}

# ---- In a Debian of its own ----------------------------------------------------------------------------

make_chroot() {
    [ "$(id -u)" = 0 ] || die 'a chroot takes root'
    chroot=$here/$top/chroot
    [ -e "$chroot/etc/debian_version" ] ||
        debootstrap --variant=minbase --include=ca-certificates,systemd,logrotate,man-db "$(codename)" "$chroot" >"$top/debootstrap.log" 2>&1 ||
        die "see $top/debootstrap.log"
    trap leave EXIT
    trap 'exit 1' HUP INT TERM
    cp "$(the_deb)" "$chroot/fapws.deb"
}
install_it() {
    make_chroot
    mount -t proc proc "$chroot/proc"
    cp packaging/debian-try.sh "$chroot/try.sh"
    chroot "$chroot" /bin/sh /try.sh
}
# What it depends on is there after tools/deb.sh install. No network but a loopback of its own.
boot() {
    have systemd-nspawn || die 'systemd-nspawn is not installed (Debian: apt-get install systemd-container)'
    make_chroot
    cp packaging/debian-boot.sh "$chroot/try.sh"
    printf '[Unit]\nAfter=basic.target\n[Service]\nType=oneshot\nExecStart=/bin/sh /try.sh\n' >"$chroot/$unit"
    ln -sf "/$unit" "$chroot/etc/systemd/system/multi-user.target.wants/try.service"
    timeout -k 10 300 systemd-nspawn -q -D "$chroot" -b --register=no --keep-unit --private-network --console=pipe \
        </dev/null >"$top/boot.log" 2>&1 || say "see $top/boot.log"
    cat "$chroot/result" || die "it did not boot: see $top/boot.log"
    tail -1 "$chroot/result" | grep -q '^debian-boot: started' || die 'the service fails under systemd'
}
unit=etc/systemd/system/try.service
codename() { (. /etc/os-release && echo "$VERSION_CODENAME"); }
leave() {
    umount "$chroot/proc" 2>/dev/null || :
    rm -f "$chroot/fapws.deb" "$chroot/try.sh" "$chroot/result" "$chroot/$unit" \
        "$chroot/etc/systemd/system/multi-user.target.wants/try.service"
}

case ${1:-} in
    needs) needs ;;
    build) build ;;
    check) check ;;
    install) install_it ;;
    boot) boot ;;
    *) die 'usage: tools/deb.sh needs | build | check | install | boot' ;;
esac
