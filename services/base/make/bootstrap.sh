#!/bin/sh
# Make sure that debian:trixie-slim is here, which the base image starts from: pull it, or where no registry
# answers make it from Debian's own packages (debootstrap, needs root).
set -eu
. services/base/make/progress.sh

image=debian:trixie-slim suite=trixie
answer_limit=${ANSWER_LIMIT:-30}  # seconds until a registry must have said something
pull_limit=600 install_limit=300 debootstrap_limit=1200  # seconds, for slow lines

docker image inspect "$image" >/dev/null 2>&1 && exit 0

work=$(mktemp -d "${BOOTSTRAP_FOLDER:-/var/tmp}/eightsteps.XXXXXX")  # /tmp is often mounted so that no system can be made in it
pull_job=''
trap 'rm -rf "$work"; [ -z "$pull_job" ] || kill "$pull_job" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM
log=$work/log

pull() {
    : >"$log"  # is looked into before the job below has opened it
    timeout $pull_limit docker pull "$image" >"$log" 2>&1 &
    pull_job=$! pull_began=$(now)
    while kill -0 $pull_job 2>/dev/null && ! grep -q 'Pulling from' "$log"; do
        if [ $(($(now) - pull_began)) -ge "$answer_limit" ]; then
            kill $pull_job
            echo "no answer within $answer_limit s" >>"$log"
        fi
        sleep 0.2
    done
    wait $pull_job
}

say "pulling $image"
if following "pulling $image" "$log" pull; then exit 0; fi
say "no registry gives $image ($(tail -n 1 "$log" | cut -c 1-120)); making it from Debian's packages"

if [ "$(id -u)" != 0 ]; then
    fail "making $image takes root, once: sudo $(make_command base)"
fi
if ! command -v debootstrap >/dev/null; then
    command -v apt-get >/dev/null || fail "debootstrap is missing: install it, then $(make_command up)"
    install_debootstrap() {
        { timeout $install_limit apt-get update \
            && DEBIAN_FRONTEND=noninteractive timeout $install_limit \
                apt-get install -y --no-install-recommends debootstrap debian-archive-keyring; } >"$log" 2>&1
    }
    say "installing debootstrap"
    following "installing debootstrap" "$log" install_debootstrap \
        || { tail -n 5 "$log" | indented >&2; fail "apt-get could not install debootstrap"; }
fi

# A machine that is Debian itself may have a mirror of its own; elsewhere debootstrap knows where Debian is.
mirrors() {
    if command -v apt-get >/dev/null; then
        # shellcheck disable=SC2016 # apt-get's own notation
        apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' 2>/dev/null | head -n 1
    fi
    echo default
}

root=$work/root
debootstrap_from() {
    rm -rf "$root"
    set -- "$suite" "$root" "${1#default}"
    # A debootstrap older than the release has no rules for it; sid's fit.
    [ -e "/usr/share/debootstrap/scripts/$suite" ] || set -- "$@" /usr/share/debootstrap/scripts/sid
    timeout $debootstrap_limit debootstrap --variant=minbase "$@" >"$log" 2>&1
}

made=no
for mirror in $(mirrors); do
    say "making $image with debootstrap (mirror: $mirror)"
    if following "debootstrap" "$log" debootstrap_from "$mirror"; then made=yes; break; fi
done
[ $made = yes ] || { tail -n 5 "$log" | indented >&2; fail "debootstrap could not fetch Debian $suite"; }

import() {
    {
        tar -c -C "$root" --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' \
            --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' --exclude='./var/log/*' \
            --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/info/*' \
            --exclude='./usr/share/locale/*' . || : >"$work/cut-short"
    } | docker import --change 'CMD ["bash"]' --change 'LABEL eightsteps.bootstrapped=yes' - "$image" >"$log" 2>&1 && [ ! -e "$work/cut-short" ]
}
following "importing" "$log" import || { indented <"$log" >&2; fail "docker import failed"; }
say "made $image"
