#!/bin/sh
# Build the images that are missing or whose sources changed, two at a time, each after what it is built on.
#   build-images.sh [NAME ...]     default: all that `make up` needs
set -eu
. services/base/make/progress.sh
. services/base/make/image-sources.sh

work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
trap 'exit 130' INT TERM
digests=$work/digests
mkdir "$digests"

# NAME and all it is built on, the deepest first.
with_parents() { for parent in $(parents_of "$1"); do with_parents "$parent"; done; echo "$1"; }

# shellcheck disable=SC2046 # names hold no blanks
[ $# -gt 0 ] || set -- $(images_of_the_lab)
for name in "$@"; do
    [ -f "$(folder_of "$name")/Dockerfile" ] || fail "no image $name: there is no $(folder_of "$name")/Dockerfile"
done
wanted=$(for name in "$@"; do with_parents "$name"; done | awk '!seen[$0]++')

# One line per image that exists: all its names, then the digest it was built from.
# shellcheck disable=SC2046
docker image inspect -f '{{range .RepoTags}}{{.}} {{end}}{{index .Config.Labels "eightsteps.source"}}' \
    $(for name in $wanted; do echo "$LAB-$name:latest"; done) >"$work/images" 2>/dev/null || true
is_current() { grep -E "(^| )$LAB-$1:latest " "$work/images" | grep -q " $(source_of "$1" "$digests")\$"; }

stale=''
for name in $wanted; do
    is_current "$name" || stale="$stale $name"
done
[ -n "$stale" ] || exit 0
case " $stale " in *' base '*) sh services/base/make/bootstrap.sh ;; esac

build_ready() {
    # Status 255 tells xargs to start no more; what xargs itself says about that is of no use (hence descriptor 3).
    # shellcheck disable=SC2016,SC2086 # $0 is for the inner shell; names hold no blanks
    printf '%s\n' $ready | WORK=$work xargs -n 1 -P 2 sh -c \
        'sh services/base/make/build-image.sh "$0" "$WORK/$0.log" 2>&3 || exit 255' 3>&2 2>/dev/null
}

while [ -n "$stale" ]; do
    ready='' later=''
    for name in $stale; do
        waits=no
        for parent in $(parents_of "$name"); do
            case " $stale " in *" $parent "*) waits=yes ;; esac
        done
        if [ $waits = yes ]; then later="$later $name"; else ready="$ready $name"; fi
    done
    following building "$work/*.log" build_ready || exit 1
    stale=$later
done
sh services/base/make/prune-images.sh
