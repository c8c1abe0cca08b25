# shellcheck shell=sh
# Sourced by build-images.sh and build-image.sh: which images the lab has and what each is made from.
#
# Image ${LAB}-NAME is built from services/NAME (tests: from lab_tests). A build argument named like an image is that
# image: `ARG BASE` is ${LAB}-base.

ca_folder=${CA_FOLDER:-/usr/local/share/ca-certificates}

# Images of the services that `up` starts: those of compose.yaml but for the ones behind a profile.
images_of_the_lab() {
    awk '
        function block_ends() { if (image != "" && !profile) print image; image = ""; profile = 0 }
        /^[a-z]/ || /^  [a-z]/ { block_ends() }
        /^ +image: / { image = $2; sub(/^\$\{LAB\}-/, "", image) }
        /^ +profiles:/ { profile = 1 }
        END { block_ends() }
    ' compose.yaml | sort -u
}

folder_of() { if [ "$1" = tests ]; then echo lab_tests; else echo "services/$1"; fi; }

# Images that NAME is built on, nearest first.
parents_of() { sed -n '/^FROM/q; s/^ARG \([A-Z][A-Z0-9-]*\)$/\1/p' "$(folder_of "$1")/Dockerfile" | tr '[:upper:]' '[:lower:]'; }

# context_tar NAME FOLDER: what the builder gets to see, as a tar that is the same for the same sources: no owner, no
# time, no trace of the user's umask (the lab's programs are not root and must be able to read), nothing Python left
# behind. FOLDER is the caller's, for what has to be gathered first.
context_tar() {
    case $1 in
        base) context_with_certificates "$2/gathered" ;;
        tests) stable_tar -C lab_tests Dockerfile -C .. lab_tests/requirements.txt services/*/requirements.txt ;;  # the rest is mounted
        *) stable_tar -C "$(folder_of "$1")" . ;;
    esac
}

stable_tar() {
    tar -c --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
        --exclude=__pycache__ --exclude='*.pyc' --exclude='.*_cache' --exclude='README.md' "$@"
}

# Behind a proxy that inspects TLS, apt and pip inside the images must trust what this machine trusts.
context_with_certificates() {
    mkdir -p "$1/ca-certificates"
    if [ -d "$ca_folder" ]; then
        find "$ca_folder" -name '*.crt' -exec cp {} "$1/ca-certificates/" \;
    fi
    stable_tar --exclude=./make -C services/base . -C "$1" ca-certificates
}

# source_of NAME FOLDER: a digest of the context and of what it is built on; FOLDER remembers those already known.
source_of() {
    if [ ! -s "$2/$1" ]; then
        for parent in $(parents_of "$1"); do source_of "$parent" "$2" >/dev/null; done
        { context_tar "$1" "$2"; for parent in $(parents_of "$1"); do cat "$2/$parent"; done; } \
            | sha256sum | cut -c 1-20 >"$2/$1"
    fi
    cat "$2/$1"
}
