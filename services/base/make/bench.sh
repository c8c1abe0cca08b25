#!/bin/sh
# `make bench`: time what a person waits for here, where a person waits, and measure the rest in the tests' container.
#   bench.sh [PART ...]      with a part named, only that
set -eu
. services/base/make/progress.sh

[ $# = 0 ] || exec sh services/base/make/run-in-tests.sh python3 lab_tests/bench "$@"

nanoseconds() { date +%s%N; }
took() {
    began=$(nanoseconds)
    "$@" >/dev/null || fail "$* failed: nothing was measured"
    echo $(($(nanoseconds) - began))
}

sh services/base/make/build-images.sh
sh services/base/make/build-images.sh tests
sh services/base/make/stop-lab.sh --quiet
say "timing make up"
up=$(took "${MAKE:-make}" --no-print-directory up)
say "timing make visit"
visits=$(took "${MAKE:-make}" --no-print-directory visit)
for _ in 1 2 3 4 5 6 7 8 9 10; do visits=$visits,$(took "${MAKE:-make}" --no-print-directory visit); done
exec sh services/base/make/run-in-tests.sh python3 lab_tests/bench --up-ns "$up" --visit-ns "$visits"
