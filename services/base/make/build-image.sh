#!/bin/sh
# Build one image, quietly; the builder's output is shown if it fails.
#   build-image.sh NAME LOG
set -eu
. services/base/make/progress.sh
. services/base/make/image-sources.sh

name=$1 log=$2
digests=$(mktemp -d)
trap 'rm -r "$digests"' EXIT
trap 'exit 130' INT TERM
started=$(now)

set -- --label "eightsteps.source=$(source_of "$name" "$digests")"
for parent in $(parents_of "$name"); do
    set -- "$@" --build-arg "$(echo "$parent" | tr '[:lower:]' '[:upper:]')=$LAB-$parent"
done
for proxy in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    if printenv "$proxy" >/dev/null; then set -- "$@" --build-arg "$proxy"; fi
done

say "building $name"
if ! context_tar "$name" "$digests" | BUILDKIT_PROGRESS=plain docker build "$@" -t "$LAB-$name" - >"$log" 2>&1; then
    problem "image $name could not be built; the builder's last lines:"
    tail -n 25 "$log" | indented >&2
    exit 1
fi
say "built $name in $(($(now) - started)) s"
