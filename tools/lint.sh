#!/bin/sh
# lint.sh -- every check that does not run the program. A checker that the machine lacks is skipped
# and named; with CI=true its absence is an error.
set -eu
cd "$(dirname "$0")/.."
. tools/common.sh
failures=''

# check TITLE COMMAND...: runs it, goes on in any case.
check() {
    title=$1
    shift
    printf '== %s\n' "$title"
    "$@" || failures="$failures
    $title"
}
# wanted PROGRAM: is it there?
wanted() {
    have "$1" && return 0
    if [ "${CI:-}" = true ]; then failures="$failures
    $1 is not installed"; fi
    say "$1 is not installed: skipped"
    return 1
}

# Each header must stand alone: it is compiled as the only line of a file.
compile_with() {
    status=0
    python_headers=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("include"))')
    for file in $(core_files); do
        source=$file
        case $file in *.h)
            source=build/lint.c
            echo "#include \"$file\"" >$source ;;
        esac
        # shellcheck disable=SC2046,SC2086
        "$@" $C_STRICT -I. -isystem "$python_headers" $(libuv_cflags) -O2 -fsyntax-only "$source" || status=1
    done
    return $status
}

# The longest of them runs beside the others.
finish_mypy() {
    status=0
    wait "$mypy" || status=$?
    cat build/mypy.log
    return $status
}

mkdir -p build
.venv/bin/mypy -p fapws >build/mypy.log 2>&1 &
mypy=$!
check ruff .venv/bin/ruff check --output-format concise .
check arrows .venv/bin/python -B tools/arrows.py --check
check 'arrows of csrc' .venv/bin/python -B tools/core_map.py --check
for compiler in gcc clang; do
    if wanted $compiler; then check $compiler compile_with $compiler; fi
done
if wanted clang-format; then
    # shellcheck disable=SC2046
    check 'clang-format (clang-format -i csrc/*.[ch] csrc/*/*.[ch] tests/c/*.[ch] tests/fuzz/*.[ch] mends it)' \
        clang-format --dry-run -Werror $(find csrc tests/c tests/fuzz -name '*.[ch]')
fi
if wanted shellcheck; then
    check shellcheck shellcheck -x tools/*.sh .ci/run conf/cluster/*.sh conf/samples/cgi/cgi-bin/*.sh conf/completion/*.bash
    check 'shellcheck (packaging)' shellcheck -s sh -e SC1091,SC2034,SC2154 packaging/*.sh packaging/debian/*.sh \
        packaging/debian/fapws.p* packaging/debian/tests/serves packaging/alpine/APKBUILD packaging/alpine/fapws.*
    check 'shellcheck (rc.d)' shellcheck -s sh -S warning -e SC1091,SC2034,SC2154 conf/rc.d/*/fapws
fi
check mypy finish_mypy
if wanted mandoc; then check mandoc mandoc -Tlint -Wwarning docs/*.[1-9]; fi

[ -z "$failures" ] || die "lint: these found something:$failures"
say 'lint: nothing found'
