#!/bin/sh
# `make wireshark`: the last visit's frames in the Wireshark of this machine, else how to read them without it.
set -eu
. services/base/make/progress.sh

capture=captures/latest/journey.pcapng
[ -e "$capture" ] || fail "no visit has been captured yet: $(make_command visit)"
file=$(realpath "$capture")

if command -v wireshark >/dev/null && [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    say "opening $file"
    wireshark "$file" >/dev/null 2>&1 &
    exit 0
fi
in_container=/captures/latest/journey.pcapng
cat <<TEXT
There is no Wireshark with a screen here. The capture, decrypted and with names, opens anywhere without a setting:
  $file
In the terminal, with the lab up:
  docker exec $LAB-observer tshark -r $in_container -Y 'dns || http || http2 || http3'
TEXT
