#!/bin/sh
# `make test`, `make bench`: bring the lab up if it is down or older than its sources, then run a command in the tests'
# container, the only one that may talk to Docker.
#   run-in-tests.sh pytest -k dns
set -eu

sh services/base/make/start-lab.sh --no-visit
sh services/base/make/build-images.sh tests
terminal=-T
if [ -t 0 ] && [ -t 1 ]; then terminal=''; fi
# shellcheck disable=SC2086 # empty or one word
exec sh services/base/make/compose.sh run --rm --no-deps $terminal tests "$@"
