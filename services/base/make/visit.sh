#!/bin/sh
# `make visit`: one command in the observer, with nothing before it: this is what people wait for.
set -eu
. services/base/make/progress.sh

not_up() { fail "lab $LAB is not up: make up$(grep -qx "LAB=$LAB" .env || echo " LAB=$LAB LAB_NET=...")"; }

[ -e "${SYS:-/sys}/class/net/$LAB-ctrl" ] || not_up
only_switches "FRAMES=${VISIT_FRAMES:-}" "FOLLOW=${VISIT_FOLLOW:-}" "ASCII=${VISIT_ASCII:-}"

set --
[ -z "${VISIT_URL:-}" ] || set -- "$@" --url "$VISIT_URL"
[ -z "${VISIT_HTTP:-}" ] || set -- "$@" --http "$VISIT_HTTP"
[ -z "${VISIT_TLS:-}" ] || set -- "$@" --tls "$VISIT_TLS"
[ -z "${VISIT_WITH:-}" ] || set -- "$@" --with "$VISIT_WITH"
[ -z "${VISIT_METHOD:-}" ] || set -- "$@" --method "$VISIT_METHOD"
[ -z "${VISIT_HEADERS:-}" ] || set -- "$@" --headers "$VISIT_HEADERS"
[ -z "${VISIT_BODY:-}" ] || set -- "$@" --body "$VISIT_BODY"

case ${VISIT_ASCII:-}${LC_ALL:-${LC_CTYPE:-${LANG:-}}} in
    1*) set -- "$@" --ascii ;;
    *[Uu][Tt][Ff]*) ;;
    *) set -- "$@" --ascii ;;  # a ladder that any terminal can draw
esac

[ "${VISIT_FRAMES:-}" != 1 ] || set -- "$@" --frames
[ "${VISIT_FOLLOW:-}" != 1 ] || set -- "$@" --follow

terminal=''
[ ! -t 1 ] || terminal=-t
status=0
# shellcheck disable=SC2086 # empty or one word
docker exec $terminal -e NO_COLOR "$LAB-observer" visit "$@" || status=$?
if [ $status != 0 ] && [ "$(docker inspect --format '{{.State.Running}}' "$LAB-observer" 2>/dev/null)" != true ]; then
    sh services/base/make/preflight.sh docker || exit 1
    not_up
fi
exit $status
