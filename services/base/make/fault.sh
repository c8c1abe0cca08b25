#!/bin/sh
# `make fault SAY="drop the 3rd data segment from balancer to client"`: faults of the isp's middlebox, in sentences.
# Without SAY: what those in force have done. SAY=none: none.
set -eu
. services/base/make/progress.sh

[ -e "${SYS:-/sys}/class/net/$LAB-ctrl" ] \
    || fail "lab $LAB is not up: make up$(grep -qx "LAB=$LAB" .env || echo " LAB=$LAB LAB_NET=...")"
sh services/base/make/preflight.sh docker
exec docker exec "$LAB-isp" fault ${FAULT_SAY:+"$FAULT_SAY"}
