#!/bin/sh
# `make up`: from nothing to a running lab, and one visit to show it.
#   UP_MONITOR=1 start-lab.sh [--no-visit]     UP_MONITOR=1: with Prometheus
set -eu
. services/base/make/progress.sh

only_switches "MONITOR=${UP_MONITOR:-}"
sh services/base/make/preflight.sh

own="label=com.docker.compose.project=$LAB"
was_up=$(docker ps -q --filter "$own" | head -n 1)
log=$(mktemp)

# A start that fails takes back what it made, but never a lab that was up before.
at_exit() {
    status=$?
    trap '' INT TERM
    rm -f "$log"
    if [ $status != 0 ] && [ "$started" != yes ] && [ -z "$was_up" ]; then
        sh services/base/make/stop-lab.sh --quiet
        say "nothing was left running"
    fi
    exit $status
}
started=no
trap at_exit EXIT
trap 'exit 130' INT TERM

sh services/base/make/build-images.sh
# Once it runs, the monitor is a host like the others.
if [ "${UP_MONITOR:-}" = 1 ] || [ -n "$(docker ps -q --filter "$own" --filter label=com.docker.compose.service=monitor)" ]; then
    export COMPOSE_PROFILES=monitor
    sh services/base/make/build-images.sh monitor
fi

# What Docker's own clock said before the start: logs are asked for from there.
before=$(date +%s)
compose_up() { sh services/base/make/compose.sh up -d --no-build --remove-orphans >"$log" 2>&1; }
say "starting the hosts"
if ! following "starting" "$log" compose_up; then
    sh services/base/make/show-failed.sh
    problem "Compose could not start the lab:"
    tail -n 10 "$log" | indented >&2
    exit 1
fi

# Certificates live shorter than a lab may stay up: those who read them must start again when pki made new ones.
if [ -n "$was_up" ] && docker logs --since "$before" "$LAB-pki" 2>&1 | grep -q '^made'; then
    say "new certificates: restarting the hosts that read them"
    docker ps -q --filter "$own" --filter "volume=${LAB}_pki-public" | xargs -r docker restart -t 3 >/dev/null
fi

sh services/base/make/wait-healthy.sh
started=yes
[ "${1:-}" != --no-visit ] || exit 0
sh services/base/make/visit.sh || fail "the lab is up, but the visit failed: see $(make_command logs)"
[ -z "${COMPOSE_PROFILES:-}" ] || say "Prometheus watches: http://127.0.0.1:$MONITOR_PORT/alerts"
cat <<TEXT

Next:
  $(make_command visit) HTTP=3       another visit; also URL=..., TLS=1.2, WITH=browser
  $(make_command wireshark)          open the last visit's frames, decrypted
  $(make_command test)               prove it all
  $(make_command down)               stop; $(make_command help) says more
TEXT
