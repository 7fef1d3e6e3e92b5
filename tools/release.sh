#!/bin/sh
# release.sh -- makes all that a release is, in dist/, from a commit that is worth one. Nothing is uploaded.
# usage: tools/release.sh     (make release)
#
# dist/ then holds the source distribution, the wheels, fapws-VERSION.cdx.json (what is in them, CycloneDX),
# fapws-VERSION.checks.txt (what was run, signed off) and SHA256SUMS over all of them.
#   CHECKS="lint test"    make's targets that must pass before, instead of all below; then there is no tag
#   ONLY="TARGET ..."     only these wheels (tools/wheels.sh targets); then there is no tag
#   TAG=yes               an annotated tag vVERSION of this commit, at the end
set -eu
cd "$(dirname "$0")/.."
. tools/common.sh
ALL_CHECKS='lint test test-pure test-asan test-pypy portable'
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' fapws/__init__.py)
final=${version%%[!0-9.]*} # 5.0.0.dev1 is on the way to 5.0.0
final=${final%.}

# ---- Is the commit worth one? --------------------------------------------------------------------------

[ -n "$version" ] || die 'fapws/__init__.py names no version'
[ -z "$(git status --porcelain)" ] || die "the tree is not as the commit has it:
$(git status --porcelain)"
commit=$(git rev-parse HEAD)
heading=$(sed -n '/^## /{ s/^## //p; q; }' CHANGES.md)
if [ "$version" = "$final" ]; then
    printf '%s\n' "$heading" | grep -q "^$version ([0-9]\{4\}-[0-9][0-9]-[0-9][0-9])\$" ||
        die "CHANGES.md begins with \"$heading\", not with \"$version (YYYY-MM-DD)\""
else
    [ "$heading" = "$final (not released yet)" ] ||
        die "CHANGES.md begins with \"$heading\", not with \"$final (not released yet)\", which $version is on the way to"
fi
grep -q '^version = { attr = "fapws.__version__" }' pyproject.toml ||
    die 'pyproject.toml does not take the version from fapws/__init__.py'
if [ "${TAG:-no}" = yes ]; then
    [ "$version" = "$final" ] || die "$version is no version to tag"
    [ -z "${CHECKS:-}${ONLY:-}" ] || die 'a tag takes all checks and all wheels'
    ! git rev-parse -q --verify "refs/tags/v$version" >/dev/null || die "there is a tag v$version already"
fi

# ---- What is run, and written down ---------------------------------------------------------------------

list=build/release.checks
mkdir -p build
{
    echo "Fapws $version, commit $commit"
    echo "made $(date -u +%Y-%m-%dT%H:%M:%SZ) on $(uname -sm), $(.venv/bin/python -VV | tr '\n' ' ')"
    echo
    printf '%-14s %-44s %s\n' check command result
} >$list
# check NAME COMMAND...: the first that fails ends it. The log stays in build/.
check() {
    name=$1
    shift
    say "$name: $*"
    if "$@" >"build/release-$name.log" 2>&1; then result=passed; else result="failed, exit status $?"; fi
    printf '%-14s %-44s %s\n' "$name" "$*" "$result" >>$list
    [ "$result" = passed ] || { tail -20 "build/release-$name.log" >&2; die "$name $result: see build/release-$name.log"; }
}
for target in ${CHECKS:-$ALL_CHECKS}; do check "$target" make "$target"; done
check wheels make wheels ONLY="${ONLY:-}"
check try-wheel make try-wheel
sbom=dist/fapws-$version.cdx.json
check sbom .venv/bin/python tools/sbom.py "$sbom" dist
[ -z "$(git status --porcelain)" ] || die 'a check has changed the tree'
[ "$(git rev-parse HEAD)" = "$commit" ] || die 'another commit was checked out meanwhile'

# ---- What it comes to ----------------------------------------------------------------------------------

[ -e "dist/fapws-$version.tar.gz" ] || die "dist/ has no source distribution of $version"
{
    cat $list
    echo
    echo "Signed-off-by: $(git var GIT_COMMITTER_IDENT | sed 's/>.*/>/')"
} >"dist/fapws-$version.checks.txt"
rm -f dist/SHA256SUMS
(cd dist && if have sha256sum; then sha256sum -- *; else shasum -a 256 -- *; fi) >build/SHA256SUMS
mv build/SHA256SUMS dist/
if [ "${TAG:-no}" = yes ]; then
    git tag -a -m "Fapws $version" "v$version" "$commit"
    say "tagged: v$version"
fi
cat "dist/fapws-$version.checks.txt"
say "dist/ has $(find dist -type f | wc -l | tr -d ' ') files; nothing was uploaded"
