#!/bin/sh
# `make shell HOST=client`: a root shell in a running host.
set -eu
. services/base/make/progress.sh

sh services/base/make/preflight.sh docker
hosts=$(docker ps --filter "label=com.docker.compose.project=$LAB" --format '{{.Names}}' | sed "s/^$LAB-//" | sort | tr '\n' ' ')
[ -n "$hosts" ] || fail "lab $LAB is not up: $(make_command up)"
[ -n "${SHELL_HOST:-}" ] || fail "which host? say make shell HOST=client; running: $hosts"
case " $hosts" in
    *" $SHELL_HOST "*) ;;
    *) fail "no host $SHELL_HOST is running; running: $hosts" ;;
esac

terminal=''
if [ -t 0 ] && [ -t 1 ]; then terminal=-t; fi
# shellcheck disable=SC2086 # empty or one word
exec docker exec -i $terminal --user 0 "$LAB-$SHELL_HOST" bash
