#!/bin/sh
# `make explain PCAP=file [KEYS=file]`: tell any capture's story. Needs no running lab: the observer's image reads the
# files, with no network.
set -eu
. services/base/make/progress.sh

[ -n "${EXPLAIN_PCAP:-}" ] || fail "which capture? say make explain PCAP=file [KEYS=file]"
for file in "$EXPLAIN_PCAP" ${EXPLAIN_KEYS:+"$EXPLAIN_KEYS"}; do
    [ -f "$file" ] || fail "$file: there is no such file"
    [ -r "$file" ] || fail "$file: $(id -un) may not read it"
done
sh services/base/make/preflight.sh docker
sh services/base/make/build-images.sh observer

# --mount takes comma-separated fields, each of which may stand in quotes.
read_only() { printf 'type=bind,"source=%s",target=%s,readonly' "$(realpath "$1" | sed 's/"/""/g')" "$2"; }

capture=/capture/$(basename "$EXPLAIN_PCAP" | tr -c 'A-Za-z0-9._\n-' _)  # what the story calls it
keys=/capture/session.keys
set -- --mount "$(read_only "$EXPLAIN_PCAP" "$capture")" --env NO_COLOR
[ -z "${EXPLAIN_KEYS:-}" ] || set -- "$@" --mount "$(read_only "$EXPLAIN_KEYS" "$keys")"
[ ! -t 1 ] || set -- "$@" --tty
# The lab's own captures are told with the names of its hosts.
# shellcheck disable=SC2013 # words without blanks
for address in $(sed -n "s/^ *\(ADDR_[A-Z0-9_]*\): *.*\${LAB_NET}\(.*\)$/\1=$LAB_NET\2/p" compose.yaml); do
    set -- "$@" --env "$address"
done
set -- "$@" --env LAB --env LAB_NET --entrypoint explain "$LAB-observer" "$capture"
[ -z "${EXPLAIN_KEYS:-}" ] || set -- "$@" --keys "$keys"

exec docker run --rm --init --network none --read-only --tmpfs /tmp:mode=1777 --tmpfs /run:mode=1777 \
    --cap-drop ALL --security-opt no-new-privileges --user "$LAB_UID:$LAB_GID" "$@"
