#!/bin/sh
# `make wireshark [LIVE=1 [HOLD=2]]`: the last visit's frames, or all links as they carry frames, in the Wireshark of this
# machine, with settings of the lab's own; where there is none with a screen, in the terminal.
set -eu
. services/base/make/progress.sh

has_wireshark() { command -v wireshark >/dev/null && [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; }

# A folder of settings beside the captures: the user's own stay as they are, and what they change here stays changed.
make_settings() {
    mkdir -p captures/.wireshark
    cp -u services/observer/wireshark/* captures/.wireshark/
    [ "$(id -u)" = "$LAB_UID" ] || chown -R "$LAB_UID:$LAB_GID" captures/.wireshark
    WIRESHARK_CONFIG_DIR=$(realpath captures/.wireshark)
    export WIRESHARK_CONFIG_DIR
}

open_last_visit() {
    capture=captures/latest/journey.pcapng
    [ -e "$capture" ] || fail "no visit has been captured yet: $(make_command visit)"
    file=$(realpath "$capture")
    if has_wireshark; then
        make_settings
        say "opening $file"
        wireshark "$file" >/dev/null 2>&1 &
        exit 0
    fi
    cat <<TEXT
There is no Wireshark with a screen here. The capture, decrypted and with names, opens anywhere without a setting:
  $file
In the terminal, with the lab up:
  docker exec $LAB-observer tshark -r /captures/latest/journey.pcapng -Y 'dns || http || http2 || http3'
  $(make_command wireshark) LIVE=1
TEXT
}

show_links() {
    case $WIRESHARK_HOLD in '' | *[!0-9.]* | *.*.* | .) fail "HOLD=$WIRESHARK_HOLD: expected seconds, as in HOLD=2" ;; esac
    [ -e "${SYS:-/sys}/class/net/$LAB-ctrl" ] || fail "lab $LAB is not up: $(make_command up)"
    # `docker exec` passes no signal on, but when it ends, the input of what it started does, too: one that nobody
    # writes to, so that it ends no sooner.
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    trap 'exit 0' INT TERM
    mkfifo "$folder/nothing"
    exec 3<>"$folder/nothing"
    if has_wireshark; then
        make_settings
        say "all links as they carry frames; Ctrl-C ends it"
        # A pipeline ends as its last program does: the stream's own status goes by a file.
        { docker exec -i "$LAB-observer" live --hold "$WIRESHARK_HOLD" <&3 || echo $? >"$folder/status"; } | wireshark -k -i -
        ended_with "$(cat "$folder/status" 2>/dev/null || echo 0)"
    else
        colour=''
        if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then colour=--color; fi
        # shellcheck disable=SC2086 # empty or one word
        docker exec -i "$LAB-observer" live --lines $colour --hold "$WIRESHARK_HOLD" <&3 || ended_with $?
    fi
}

# ended_with STATUS: what is still to be said of how the stream ended.
ended_with() {
    case $1 in
        0 | 141) ;;   # 141: whoever looked has closed the window (SIGPIPE)
        1) sh services/base/make/preflight.sh docker; exit 1 ;;  # `live` has said why, or Docker is gone
        *) fail "the stream of frames broke off: exit code $1" ;;
    esac
}

WIRESHARK_HOLD=${WIRESHARK_HOLD:-0}
case ${WIRESHARK_LIVE:-} in
    '' | 0) open_last_visit ;;
    1) show_links ;;
    *) fail "LIVE=$WIRESHARK_LIVE: expected LIVE=1, or leave it out" ;;
esac
