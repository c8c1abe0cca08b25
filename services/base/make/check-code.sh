#!/bin/sh
# `make lint`, `make unit`: the checks that need Python but no Docker, in a virtual environment of their own (.venv),
# which is made again when its pins change.
#   check-code.sh lint | unit [pytest's arguments]
set -eu
. services/base/make/progress.sh

pins=lab_tests/requirements.txt
python=${PYTHON:-python3}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || fail "Python 3.11 or later is needed: say PYTHON=python3.11"
digest=$({ "$python" --version; cat "$pins" services/*/requirements.txt; } | sha256sum)
if [ "$(cat .venv/made-from 2>/dev/null)" != "$digest" ]; then
    say "making .venv"
    log=$(mktemp)
    make_venv() { { rm -rf .venv && "$python" -m venv .venv && .venv/bin/pip install -q -r "$pins"; } >"$log" 2>&1; }
    following "making .venv" "$log" make_venv || { tail -n 15 "$log" | indented >&2; rm -f "$log"; fail ".venv could not be made from $pins"; }
    rm -f "$log"
    echo "$digest" >.venv/made-from
fi

case $1 in
    unit)
        shift
        [ $# -gt 0 ] || set -- lab_tests/unit
        exec .venv/bin/pytest "$@"
        ;;
    lint)
        failed=''
        check() {
            say "$1"
            shift
            "$@" || failed=yes
        }
        check "ruff check" .venv/bin/ruff check .
        check "ruff format" .venv/bin/ruff format --check .
        check "mypy" .venv/bin/mypy
        if command -v shellcheck >/dev/null; then
            find . \( -name .git -o -name .venv -o -path ./captures \) -prune -o -type f -exec \
                awk 'FNR == 1 && /^(#!\/bin\/sh|# shellcheck shell=sh)/ { print FILENAME } { nextfile }' {} + >.venv/scripts
            check "shellcheck" xargs -a .venv/scripts shellcheck -x
        fi
        [ -z "$failed" ] || fail "lint failed"
        ;;
    *) fail "check-code.sh: lint or unit, not $1" ;;
esac
