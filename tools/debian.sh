#!/bin/sh
# debian.sh -- packages of any Debian suite and machine, unpacked into a folder; this machine is left as it is.
# usage: tools/debian.sh alone SUITE MACHINE FOLDER PACKAGE...    these packages
#        tools/debian.sh system SUITE MACHINE FOLDER PACKAGE...   with all that they depend on: a root for a chroot
#        tools/debian.sh source SUITE FOLDER PACKAGE              FOLDER holds the source as its author gave it away
#
# Needs apt and this machine's keys of Debian; no root. MACHINE is Debian's word: amd64, armhf. Nothing is
# configured, so no program of the other machine runs. Lists and archives stay in build/debian.
#   MIRROR=http://host/debian     another mirror than this machine's
set -eu
cd "$(dirname "$0")/.."
. tools/common.sh
what=${1:-} suite=${2:-}

# look_up MACHINE: an apt of our own, which knows nothing of what is installed here.
look_up() {
    state=$(pwd -P)/build/debian/$suite-$1
    mkdir -p "$state/lists/partial" "$state/archives/partial"
    have apt-get || die "packages of Debian are fetched by apt-get, which is not here"
    # shellcheck disable=SC2016
    mirror=${MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' | grep -v security | head -n 1)}
    [ -n "$mirror" ] || die 'apt knows no mirror of Debian here: MIRROR=...'
    : >"$state/status"
    printf 'deb %s %s main\ndeb-src %s %s main\n' "$mirror" "$suite" "$mirror" "$suite" >"$state/sources"
    cat >"$state/apt.conf" <<END
Dir::State "$state";
Dir::State::status "$state/status";
Dir::Cache "$state";
Dir::Etc::SourceList "$state/sources";
Dir::Etc::SourceParts "-";
Dir::Etc::Preferences "-";
Dir::Etc::PreferencesParts "-";
APT::Architecture "$1";
#clear APT::Architectures;
APT::Architectures { "$1"; };
APT::Sandbox::User "";
APT::Install-Recommends "false";
Acquire::Languages "none";
DPkg::Post-Invoke { };
#clear DPkg::Post-Invoke;
#clear APT::Update::Post-Invoke;
Debug::NoLocking "true";
END
    APT_CONFIG=$state/apt.conf
    export APT_CONFIG
    [ -e "$state/.known" ] || apt-get -q update >"$state/log" 2>&1 || die "see $state/log"
    : >"$state/.known"
}

# Over what is there: a folder of a package is a link where the system has merged it with another.
unpack() {
    mkdir -p "$1"
    find "$2" -maxdepth 1 -name '*.deb' | LC_ALL=C sort | while read -r archive; do
        dpkg-deb --fsys-tarfile "$archive" | tar xf - -C "$1" --keep-directory-symlink --no-same-owner
    done
}

alone() {
    look_up "$1"
    folder=$2
    shift 2
    rm -rf "$state/fetched"
    mkdir "$state/fetched"
    (cd "$state/fetched" && apt-get -q download "$@") >"$state/log" 2>&1 || die "see $state/log"
    unpack "$folder" "$state/fetched"
    rm -rf "$state/fetched"
}

system() {
    look_up "$1"
    folder=$2
    shift 2
    rm -f "$state"/archives/*.deb
    apt-get -q -y --download-only install base-files base-passwd bash coreutils dash findutils grep gzip hostname \
        libc-bin login mawk passwd procps sed tar util-linux "$@" >"$state/log" 2>&1 || die "see $state/log"
    mkdir -p "$folder/usr/bin" "$folder/usr/sbin" "$folder/usr/lib"
    for name in bin sbin lib; do [ -e "$folder/$name" ] || ln -s usr/$name "$folder/$name"; done
    unpack "$folder" "$state/archives"
    rm -f "$state"/archives/*.deb
    # What the packages would have written when they were configured.
    [ -e "$folder/usr/bin/awk" ] || ln -s mawk "$folder/usr/bin/awk"
    for name in passwd group; do cp "$folder/usr/share/base-passwd/$name.master" "$folder/etc/$name"; done
    echo '127.0.0.1 localhost' >"$folder/etc/hosts"
    [ ! -d "$folder/usr/share/ca-certificates" ] || {
        mkdir -p "$folder/etc/ssl/certs"
        cat "$folder"/usr/share/ca-certificates/*/*.crt >"$folder/etc/ssl/certs/ca-certificates.crt"
    }
    chmod 1777 "$folder/tmp"
}

case $what in
    alone | system) shift 2; $what "$@" ;;
    source)
        look_up "$(dpkg --print-architecture)"
        rm -rf "$state/fetched" "$3"
        mkdir -p "$state/fetched" "$3"
        (cd "$state/fetched" && apt-get -q source --download-only --tar-only "$4") >"$state/log" 2>&1 || die "see $state/log"
        tar xf "$(echo "$state"/fetched/*.orig.tar.*z*)" -C "$3" --strip-components 1
        rm -rf "$state/fetched" ;;
    *) die 'usage: tools/debian.sh alone|system SUITE MACHINE FOLDER PACKAGE... | source SUITE FOLDER PACKAGE' ;;
esac
