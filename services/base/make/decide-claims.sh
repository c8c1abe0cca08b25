#!/bin/sh
# `make claims`, `make claim ID=E2`: run the experiments behind the claims of lab_tests/CLAIMS.md on the live lab and tell
# what they showed.
#   CLAIM_ID=E2 decide-claims.sh [pytest's arguments]
set -eu
. services/base/make/progress.sh

if [ "${MAKE_TARGET:-}" = claim ] && [ -z "${CLAIM_ID:-}" ]; then
    fail "which claim? say make claim ID=E2; lab_tests/CLAIMS.md lists them"
fi
if [ -n "${CLAIM_ID:-}" ]; then
    grep -qF -- "- **$CLAIM_ID** " lab_tests/CLAIMS.md || fail "there is no claim $CLAIM_ID: lab_tests/CLAIMS.md lists them"
    set -- --claim "$CLAIM_ID" "$@"
else
    set -- --claims "$@"
fi
exec sh services/base/make/run-in-tests.sh pytest -p no:cacheprovider -qq --no-header --tb=short -m claim lab_tests/live "$@"
