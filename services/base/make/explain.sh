#!/bin/sh
# `make explain PCAP=file [KEYS=file] [FRAMES=1 | JSON=1 | HTML=page.html] [ASCII=1]`: tell any capture's story. Needs no
# running lab: the observer's image reads the files, with no network.
set -eu
. services/base/make/progress.sh

[ -n "${EXPLAIN_PCAP:-}" ] || fail "which capture? say make explain PCAP=file [KEYS=file]"
for file in "$EXPLAIN_PCAP" ${EXPLAIN_KEYS:+"$EXPLAIN_KEYS"}; do
    [ ! -d "$file" ] || fail "$file is a folder; name a file in it"
    [ -f "$file" ] || fail "$file: there is no such file"
    [ -r "$file" ] || fail "$file: $(id -un) may not read it"
    [ -s "$file" ] || fail "$file is empty"
done
if [ -n "${EXPLAIN_KEYS:-}" ]; then
    LC_ALL=C grep -aqE '^[A-Z0-9_]+ ([^ ]*:)?[0-9A-Fa-f]{16,} ([^ ]*:)?[0-9A-Fa-f]{32,}[[:space:]]*$' "$EXPLAIN_KEYS" \
        || fail "$EXPLAIN_KEYS: no key log: expected lines such as CLIENT_RANDOM 5f.. 9a.. (what SSLKEYLOGFILE names), found none"
fi
only_switches "FRAMES=${EXPLAIN_FRAMES:-}" "JSON=${EXPLAIN_JSON:-}" "ASCII=${EXPLAIN_ASCII:-}"
[ "${EXPLAIN_ASCII:-}" != 0 ] || EXPLAIN_ASCII=''
form='' forms=0
if [ "${EXPLAIN_FRAMES:-}" = 1 ]; then form=--frames forms=$((forms + 1)); fi
if [ "${EXPLAIN_JSON:-}" = 1 ]; then form=--json forms=$((forms + 1)); fi
if [ -n "${EXPLAIN_HTML:-}" ]; then form=--html forms=$((forms + 1)); fi
[ $forms -le 1 ] || fail "one of FRAMES=1, JSON=1 and HTML=file at a time: each tells all there is"

page=${EXPLAIN_HTML:-}
if [ -n "$page" ]; then
    case $page in
        1 | */) fail "HTML=$page: expected the name of the file to write, as in HTML=page.html" ;;
    esac
    folder=$(dirname -- "$page")
    [ -d "$folder" ] || fail "$folder: there is no such folder to write $(basename -- "$page") into"
    [ ! -d "$page" ] || fail "$page is a folder; HTML= takes the name of a file"
    if [ -e "$page" ]; then [ -w "$page" ]; else [ -w "$folder" ]; fi || fail "$page: $(id -un) may not write it"
fi

sh services/base/make/preflight.sh docker
sh services/base/make/build-images.sh observer

# --mount takes comma-separated fields, each of which may stand in quotes.
read_only() { printf 'type=bind,"source=%s",target=%s,readonly' "$(realpath "$1" | sed 's/"/""/g')" "$2"; }

capture=/capture/$(basename "$EXPLAIN_PCAP" | tr -c 'A-Za-z0-9._\n-' _)  # what the story calls it
keys=/capture/session.keys
set -- --mount "$(read_only "$EXPLAIN_PCAP" "$capture")" --env NO_COLOR
[ -z "${EXPLAIN_KEYS:-}" ] || set -- "$@" --mount "$(read_only "$EXPLAIN_KEYS" "$keys")"
case $form in
    --json | --html) ;;  # for programs: a terminal would change the line ends
    *) [ ! -t 1 ] || set -- "$@" --tty ;;
esac
# The lab's own captures are told with the names of its hosts.
# shellcheck disable=SC2013 # words without blanks
for address in $(sed -n "s/^ *\(ADDR_[A-Z0-9_]*\): *.*\${LAB_NET}\(.*\)$/\1=$LAB_NET\2/p" compose.yaml); do
    set -- "$@" --env "$address"
done
set -- "$@" --env LAB --env LAB_NET --entrypoint explain "$LAB-observer" "$capture"
[ -z "${EXPLAIN_KEYS:-}" ] || set -- "$@" --keys "$keys"
[ -z "$form" ] || set -- "$@" "$form"
case ${LC_ALL:-${LC_CTYPE:-${LANG:-}}} in
    *[Uu][Tt][Ff]*) ;;
    *) EXPLAIN_ASCII=1 ;;  # a ladder that any terminal can draw
esac
if [ -n "${EXPLAIN_ASCII:-}" ]; then set -- "$@" --ascii; fi

explain() {
    docker run --rm --init --network none --read-only --tmpfs /tmp:mode=1777 --tmpfs /run:mode=1777 \
        --cap-drop ALL --security-opt no-new-privileges --user "$LAB_UID:$LAB_GID" "$@"
}
if [ -z "$page" ]; then
    explain "$@"
    exit
fi
# Whole or not at all, and the user's own also under sudo.
whole=$(mktemp "$folder/.explain.XXXXXX")
trap 'rm -f "$whole"' EXIT
trap 'exit 130' INT TERM
explain "$@" >"$whole"
chmod "$(printf '%o' $((0666 & ~0$(umask))))" "$whole"
[ "$(id -u)" = "$LAB_UID" ] || chown "$LAB_UID:$LAB_GID" "$whole"
mv "$whole" "$page"
say "wrote $page"
