#!/bin/sh
# Say what is wrong with a container and what it wrote last.
#   last-words.sh NAME WHY
set -eu
. services/base/make/progress.sh

problem "$1 $2; its last lines:"
docker logs --tail 15 "$1" 2>&1 | indented >&2
