#!/bin/sh
# `make down`: take away all that belongs to the lab's Compose project, whatever profile or command started it.
# By label and without Compose: it works with any version, and also after compose.yaml has changed.
#   stop-lab.sh [--quiet] [--all-volumes]
set -eu
. services/base/make/progress.sh

quiet=no kept='_pki-'
for option in "$@"; do
    case $option in
        --quiet) quiet=yes ;;
        --all-volumes) kept='^$' ;;
    esac
done

own="label=com.docker.compose.project=$LAB"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT TERM

# What the tap recorded, the session keys and the orders belong to this run; the CA stays, so that a browser that
# was told to trust it still does after the next start.
take_away() {
    left=0
    docker ps -aq --filter "$own" | xargs -r docker rm --force --volumes || left=1
    docker network ls -q --filter "$own" | xargs -r docker network rm || left=1
    docker volume ls -q --filter "$own" | { grep -v -e "$kept" || true; } | xargs -r docker volume rm || left=1
    return $left
}

[ $quiet = yes ] || say "stopping lab $LAB"
# Twice: a container may be going away by itself just now (a test run that ends), which the first attempt stumbles over.
take_away >"$log" 2>&1 || take_away >"$log" 2>&1 || { indented <"$log" >&2; fail "lab $LAB could not be taken down completely"; }
[ $quiet = yes ] || say "lab $LAB is down"
