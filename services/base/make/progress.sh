# shellcheck shell=sh
# Sourced by the scripts beside it: how they speak. One short line per step or problem; colours and lines that are
# rewritten in place only on a terminal.

# shellcheck disable=SC2034 # for the scripts that source this
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$(printf '\033[1m') plain=$(printf '\033[0m') clear_line=$(printf '\r\033[K')
else
    bold='' plain='' clear_line=''
fi

say() { printf '%s%s\n' "$clear_line" "$*"; }

# On a terminal only: a line that the next one replaces.
say_for_now() { [ -z "$clear_line" ] || printf '%s%.78s' "$clear_line" "$*"; }

problem() { printf '%s%s\n' "$clear_line" "error: $*" >&2; }

fail() { problem "$@"; exit 1; }

# only_switches NAME=VALUE...: a switch is on, off or left out; any other word was meant for something else.
only_switches() {
    for switch in "$@"; do
        case ${switch#*=} in '' | 0 | 1) ;; *) fail "$switch: expected ${switch%%=*}=1, or leave it out" ;; esac
    done
}

now() { date +%s; }

indented() { sed 's/^/    /'; }

# following WHAT LOGS COMMAND...: run the command and meanwhile show that it goes on, for how long, and the last line
# of the newest of its logs (a file or a pattern). Returns the command's status.
following() {
    following_what=$1 following_logs=$2
    shift 2
    show_life "$following_what" "$following_logs" $$ &
    following_show=$! following_status=0
    "$@" || following_status=$?
    # KILL: a gentler signal that comes before the subshell has dropped this shell's traps would be lost.
    kill -KILL $following_show 2>/dev/null || true
    wait $following_show 2>/dev/null || true
    printf '%s' "$clear_line"
    return $following_status
}

show_life() {
    life_started=$(now) life_said=0
    while sleep 0.2 && kill -0 "$3" 2>/dev/null; do
        life_seconds=$(($(now) - life_started))
        if [ -n "$clear_line" ]; then
            say_for_now "$1 ($life_seconds s) $(last_line "$2")"
        elif [ $((life_seconds - life_said)) -ge 15 ]; then
            life_said=$life_seconds
            say "$1: $life_seconds s so far; $(last_line "$2")"
        fi
    done
}

# shellcheck disable=SC2012,SC2086 # a pattern, and file names of our own making
last_line() { ls -t $1 2>/dev/null | head -n 1 | xargs -r tail -n 1 2>/dev/null | tr -d '\r\033' | cut -c 1-90; }

# How to say `make TARGET` for this lab: the two names again, unless they are the defaults of .env.
make_command() {
    printf 'make %s' "$1"
    grep -qx "LAB=$LAB" .env || printf ' LAB=%s' "$LAB"
    grep -qx "LAB_NET=$LAB_NET" .env || printf ' LAB_NET=%s' "$LAB_NET"
}
