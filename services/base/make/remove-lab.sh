#!/bin/sh
# `make clean`: down, and also the lab's images, all its volumes and the captures, after asking.
set -eu
. services/base/make/progress.sh

if [ "${CLEAN_YES:-}" != 1 ]; then
    [ -t 0 ] || fail "this removes the images, volumes and captures of lab $LAB: say make clean YES=1"
    printf 'Remove the images, volumes and all captures of lab %s? [y/N] ' "$LAB"
    read -r answer
    case $answer in
        y | Y | yes) ;;
        *) say "nothing removed"; exit 0 ;;
    esac
fi

sh services/base/make/stop-lab.sh --quiet --all-volumes

images_with() { docker image ls --filter "label=$1" --format '{{.Repository}}:{{.Tag}}'; }

images_with eightsteps.source | { grep "^$LAB-" || true; } | xargs -r docker image rm >/dev/null
sh services/base/make/prune-images.sh
# Debian's image goes only if it was made here and no other lab stands on it.
if [ -z "$(images_with eightsteps.source)" ]; then
    images_with eightsteps.bootstrapped=yes | { grep -x debian:trixie-slim || true; } | xargs -r docker image rm >/dev/null
fi

find captures -mindepth 1 -maxdepth 1 ! -name .gitignore -exec rm -rf {} + \
    || fail "some captures belong to another user: sudo $(make_command clean) YES=1"
say "lab $LAB is gone"
