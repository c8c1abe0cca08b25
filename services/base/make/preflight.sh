#!/bin/sh
# Look before `make up` leaps: one line per problem, each naming the way out; non-zero if there was any.
#   preflight.sh            all that a start needs
#   preflight.sh docker     only that the names are well formed and Docker answers
#
# PROC and SYS stand in for /proc and /sys in the tests.
set -eu
. services/base/make/progress.sh
. services/base/make/image-sources.sh

proc=${PROC:-/proc} sys=${SYS:-/sys}
answer_limit=10                  # seconds the daemon has to answer
build_kib=$((3 * 1024 * 1024))   # free space that building all images takes
run_kib=$((1024 * 1024))         # free space for the tap's spool, bounded at 1 GiB, and captures
other='choose another name and network, say'
found=0

found() { problem "$@"; found=1; }

# ---------------------------------------------------------------- names

check_system() {
    [ "$(uname -s)" = Linux ] \
        || fail "this is $(uname -s): the tap listens on Linux bridges of the machine itself; use Linux, or a Linux virtual machine"
}

check_names() {
    case $LAB in
        *[!a-z0-9]* | '') found "LAB=$LAB: use small letters and digits only, say LAB=other" ;;
        ???????????*) found "LAB=$LAB: at most 10 characters (the kernel gives interface names 15, and $LAB-home is one), say LAB=other" ;;
    esac
    if ! echo "$LAB_NET" | awk -F. '
        function octet(text) { return text ~ /^(0|[1-9][0-9]?[0-9]?)$/ && text <= 255 }
        { exit !(NF == 2 && octet($1) && octet($2) && ($1 == 10 || $1 == 172 && $2 >= 16 && $2 <= 31 || $1 == 192 && $2 == 168)) }'
    then
        found "LAB_NET=$LAB_NET: give the first two numbers of a private network, say LAB_NET=10.88"
    fi
    case $LAB_PORT in
        *[!0-9]* | '' | ??????*) found "LAB_PORT=$LAB_PORT: give a port number, say LAB_PORT=8088" ;;
    esac
    case $MONITOR_PORT in
        *[!0-9]* | '' | ??????*) found "MONITOR_PORT=$MONITOR_PORT: give a port number, say MONITOR_PORT=9090" ;;
    esac
    [ $found = 0 ] || exit 1
}

# ---------------------------------------------------------------- the kernel

# The hosts switch IPv6 off for themselves, with a setting that such a kernel does not have.
check_ipv6() {
    [ -e "$proc/sys/net/ipv6" ] \
        || found "this kernel was started without IPv6 (ipv6.disable=1), and Docker cannot switch it off for the hosts: start it with ipv6.disable_ipv6=1 in its place"
}

# ---------------------------------------------------------------- Docker

check_docker() {
    command -v docker >/dev/null \
        || fail "docker is missing: install Docker Engine (Debian, Ubuntu: sudo apt-get install docker.io)"
    # An old client ends with 0 although no daemon answered; what it then tells is empty.
    status=0
    answer=$(timeout $answer_limit docker info --format '{{.SecurityOptions}}|{{.DockerRootDir}}' 2>/dev/null) || status=$?
    docker_folder=${answer##*|}
    if [ $status = 124 ]; then
        fail "the Docker daemon does not answer within $answer_limit s: see sudo systemctl status docker"
    elif [ $status != 0 ] || [ -z "$docker_folder" ]; then
        why=$(timeout $answer_limit docker version 2>&1 >/dev/null | tail -n 1)
        case $why in
            *'permission denied'*) fail "Docker refuses $(id -un): sudo usermod -aG docker $(id -un), then log in again (or use sudo make)" ;;
            *) fail "the Docker daemon does not answer: sudo systemctl start docker ($(echo "$why" | cut -c 1-120))" ;;
        esac
    fi
    case $answer in
        *name=rootless*) fail "this Docker runs rootless, where captures would not be yours: use the system's (docker context use default)" ;;
    esac
}

check_compose() { sh services/base/make/compose.sh version >/dev/null || exit 1; }

# ---------------------------------------------------------------- what others hold

own() { echo "label=com.docker.compose.project=$LAB"; }

check_other_folder() {
    folder=$(docker ps --filter "$(own)" --format '{{.Label "com.docker.compose.project.working_dir"}}' | head -n 1)
    if [ -n "$folder" ] && [ "$folder" != "$(pwd)" ] && [ "$folder" != "$(pwd -P)" ]; then
        fail "lab $LAB is already up, from $folder: $other make up LAB=other LAB_NET=10.88"
    fi
}

# A network that goes away between the list and the look is of no concern.
inspect_networks() { docker network ls -q "$@" | xargs -r docker network inspect --format "$wanted" 2>/dev/null || true; }

# NETWORK, its project and subnets, one line for each network of Docker.
docker_networks() {
    wanted='{{.Name}} {{with index .Labels "com.docker.compose.project"}}{{.}}{{else}}-{{end}}{{range .IPAM.Config}} {{.Subnet}}{{end}}'
    inspect_networks
}

subnets() { sed -n "s|.*subnet: *\"\${LAB_NET}\(\.[0-9./]*\)\".*|$1\1|p" compose.yaml; }
bridges() { sed -n "s|.*bridge\.name: *\"\{0,1\}\${LAB}\(-[a-z]*\).*|$LAB\1|p" compose.yaml; }

# SUBNET|HOLDER for all that is in use: networks of Docker but this lab's, and this machine's routes of /16 and longer.
# (A wider route is a way out, like the default route: the lab's own /24 go before it.)
occupied() {
    docker_networks | awk -v own="$LAB" '$2 != own { for (i = 3; i <= NF; i++) print $i "|Docker network " $1 }'
    awk -v own="$LAB-" '
        function byte(text) { return index(digits, substr(text, 1, 1)) * 16 + index(digits, substr(text, 2, 1)) - 17 }
        function dotted(text) { return byte(substr(text, 7)) "." byte(substr(text, 5)) "." byte(substr(text, 3)) "." byte(text) }
        function bits(text,  i, n) { n = 0; for (i = 1; i < 8; i += 2) n += ones[substr(text, i, 2)]; return n }
        BEGIN { digits = "0123456789ABCDEF"
                split("80 C0 E0 F0 F8 FC FE FF", byte_masks, " "); for (i in byte_masks) ones[byte_masks[i]] = i }
        NR > 1 && index($1, own) != 1 && bits($8) >= 16 { print dotted($2) "/" bits($8) "|route on " $1 }
    ' "$proc/net/route"
}

# Of the lab's subnets under NET, the first that meets one of `occupied` (on standard input): SUBNET|HOLDER.
first_clash() {
    awk -F'|' -v wanted="$(subnets "$1" | tr '\n' ' ')" '
        function first(subnet,  part) { split(subnet, part, "[./]")
            return int(number(part) / size(subnet)) * size(subnet) }
        function number(part) { return ((part[1] * 256 + part[2]) * 256 + part[3]) * 256 + part[4] }
        function size(subnet,  part) { split(subnet, part, "/"); return 2 ^ (32 - part[2]) }
        BEGIN { count = split(wanted, subnets, " ") }
        $1 ~ /^[0-9.]+\/[0-9]+$/ {
            for (i = 1; i <= count; i++)
                if (first($1) < first(subnets[i]) + size(subnets[i]) && first(subnets[i]) < first($1) + size($1)) {
                    print subnets[i] "|" $2
                    exit
                }
        }'
}

free_net() {
    for octet in 88 99 66 55 44 33 22 111 122 133 144 155 166 177 188 199 211 222 233; do
        if [ -z "$(echo "$1" | first_clash 10.$octet)" ]; then echo 10.$octet; return; fi
    done
    echo 172.30
}

check_subnets() {
    in_use=$(occupied)
    own_subnets=$(docker_networks | awk -v own="$LAB" '$2 == own { print $3 }')
    if [ -n "$own_subnets" ] && ! echo "$own_subnets" | grep -q "^$LAB_NET\."; then
        up_on=$(echo "$own_subnets" | head -n 1 | cut -d . -f 1,2)
        found "lab $LAB is already up on $up_on: make down LAB=$LAB first, or go on with LAB=$LAB LAB_NET=$up_on"
        return
    fi
    clash=$(echo "$in_use" | first_clash "$LAB_NET")
    [ -z "$clash" ] || found "subnet ${clash%|*} is taken (${clash#*|}): $other make up LAB=other LAB_NET=$(free_net "$in_use")"
}

check_bridges() {
    wanted='{{index .Options "com.docker.network.bridge.name"}}'
    own_bridges=$(inspect_networks --filter "$(own)")
    for bridge in $(bridges); do
        if [ -e "$sys/class/net/$bridge" ] && ! echo "$own_bridges" | grep -qx "$bridge"; then
            found "interface $bridge exists already and is not this lab's: $other make up LAB=other LAB_NET=10.88 (or: sudo ip link delete $bridge)"
        fi
    done
}

# check_port VARIABLE PORT CONTAINER INSIDE: whether PORT is free for what CONTAINER serves on INSIDE.
check_port() {
    [ "$(docker port "$LAB-$3" "$4/tcp" 2>/dev/null | head -n 1)" != "127.0.0.1:$2" ] || return 0
    # Listening sockets (state 0A) on 127.0.0.1 or on every address.
    holder=$(cat "$proc/net/tcp" "$proc/net/tcp6" 2>/dev/null | awk -v port="$(printf '%04X' "$2")" '
        $4 == "0A" && $2 ~ ("^(0100007F|0+|0000000000000000FFFF00000100007F):" port "$") { print "yes"; exit }')
    [ -z "$holder" ] || found "port $2 on 127.0.0.1 is taken: $other make up LAB=other LAB_NET=10.88 (or only another port: $1=9$(echo "$2" | cut -c 2-))"
}

# ---------------------------------------------------------------- room

check_disk() {
    [ -d "$docker_folder" ] || return 0  # Docker in a virtual machine keeps its own disk
    need=$run_kib purpose='to run'
    for name in base $(images_of_the_lab); do
        docker image ls -q "$LAB-$name" | grep -q . || { need=$build_kib purpose='to build the images'; break; }
    done
    free=$(df -Pk "$docker_folder" | awk 'NR == 2 { print $4 }')
    [ "$free" -ge "$need" ] || found "$docker_folder has $((free / 1024)) MiB free, $((need / 1024)) are needed $purpose: free some, say with docker system prune"
}

check_captures() {
    mkdir -p captures 2>/dev/null || { found "cannot make the folder captures/: this folder is not yours ($(id -un))"; return; }
    if [ "$(id -u)" = 0 ]; then
        chown "$LAB_UID:$LAB_GID" captures 2>/dev/null && return
        [ "$LAB_UID" != 0 ] || [ -w captures ] || found "captures/ cannot be written, even by root: put the lab on another file system"
    elif [ ! -w captures ]; then
        found "captures/ is not writable for $(id -un): sudo chown -R $(id -un) captures"
    fi
}

check_system
check_names
check_docker
[ "${1:-}" != docker ] || exit 0
check_compose
check_ipv6
check_other_folder
check_subnets
check_bridges
check_port LAB_PORT "$LAB_PORT" observer 8000
[ "${UP_MONITOR:-}" != 1 ] || check_port MONITOR_PORT "$MONITOR_PORT" monitor 9090
check_disk
check_captures
exit $found
