#!/bin/sh
# `make fault SAY="drop the 3rd data segment from balancer to client"`: faults of the isp's middlebox, in sentences.
# Without SAY: what those in force have done. SAY=none: none.
set -eu

[ -e "${SYS:-/sys}/class/net/$LAB-ctrl" ] || {
    echo "error: lab $LAB is not up: make up$(grep -qx "LAB=$LAB" .env || echo " LAB=$LAB LAB_NET=...")" >&2
    exit 1
}
exec docker exec "$LAB-isp" fault ${FAULT_SAY:+"$FAULT_SAY"}
