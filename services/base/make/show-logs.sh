#!/bin/sh
# `make logs [HOST=client] [FOLLOW=1]`: what the hosts wrote last.
set -eu
. services/base/make/progress.sh

only_switches "FOLLOW=${LOGS_FOLLOW:-}"
sh services/base/make/preflight.sh docker
set -- --tail 100
[ "${LOGS_FOLLOW:-}" != 1 ] || set -- "$@" --follow
if [ -z "${LOGS_HOST:-}" ]; then
    exec sh services/base/make/compose.sh logs "$@"
fi
hosts=$(docker ps -a --filter "label=com.docker.compose.project=$LAB" --format '{{.Names}}' | sed "s/^$LAB-//" | sort | tr '\n' ' ')
case " $hosts" in
    *" $LOGS_HOST "*) ;;
    *) fail "no host $LOGS_HOST in lab $LAB; there are: ${hosts:-none (make up)}" ;;
esac
if [ "${LOGS_FOLLOW:-}" != 1 ] && [ -z "$(docker logs --tail 1 "$LAB-$LOGS_HOST" 2>&1)" ]; then
    say "$LOGS_HOST has written nothing"
    exit 0
fi
exec docker logs "$@" "$LAB-$LOGS_HOST"
