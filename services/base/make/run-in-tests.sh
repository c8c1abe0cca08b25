#!/bin/sh
# `make test`, `make bench`: bring the lab up if it is down or older than its sources, then run a command in the tests'
# container, the only one that may talk to Docker.
#   run-in-tests.sh pytest -k dns
set -eu

sh services/base/make/start-lab.sh --no-visit
# Tests that need the monitor start and stop it; for that its container has to exist, and to be of today's image.
if [ "$1" != pytest ]; then
    sh services/base/make/build-images.sh tests
else
    sh services/base/make/build-images.sh tests monitor
    if [ "$(docker inspect -f '{{.Image}}' "$LAB-monitor" 2>/dev/null)" != "$(docker image inspect -f '{{.Id}}' "$LAB-monitor")" ]; then
        COMPOSE_PROFILES=monitor sh services/base/make/compose.sh up --no-start --no-deps --no-build monitor >/dev/null 2>&1 \
            || { echo "error: Compose could not create the monitor" >&2; exit 1; }
    fi
fi
terminal=-T
if [ -t 0 ] && [ -t 1 ]; then terminal=''; fi
# shellcheck disable=SC2086 # empty or one word
exec sh services/base/make/compose.sh run --rm --no-deps $terminal tests "$@"
