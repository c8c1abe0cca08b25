#!/bin/sh
# Wait until every host of the lab says of itself that it works: the command `healthy` of its image, which is also
# Docker's own health check, asked every 0.2 s inside the container (Docker would ask once a minute).
set -eu
. services/base/make/progress.sh

limit=${HEALTHY_LIMIT:-60}  # seconds

work=$(mktemp -d)
asking=''
at_exit() {
    # shellcheck disable=SC2086 # a list of process ids
    [ -z "$asking" ] || kill $asking 2>/dev/null || true
    rm -r "$work"
}
trap at_exit EXIT
trap 'exit 130' INT TERM

# A one-shot that is done has nothing to say any more, and what runs on request only (compose.yaml labels it) may be off;
# nothing else may end.
hosts=''
docker ps -aq --filter "label=com.docker.compose.project=$LAB" --filter label=com.docker.compose.oneoff=False \
    | xargs -r docker inspect --format '{{.Name}}{{if or .State.Running (not (index .Config.Labels "eightsteps.on-request"))}} {{with .Config.Healthcheck}}{{index .Test 0}}{{end}}{{end}}' \
    >"$work/containers"
while read -r name check; do
    [ "$check" = NONE ] || [ -z "$check" ] || hosts="$hosts ${name#/}"
done <"$work/containers"
[ -n "$hosts" ] || fail "the lab has no running hosts"

# A host that says it is healthy and ends a moment later is not.
restarts() {
    # shellcheck disable=SC2086 # a list of names
    docker inspect --format '{{.Name}} {{.RestartCount}} {{.State.Running}}' $hosts
}
restarts >"$work/restarts"

# shellcheck disable=SC2016 # for the container's shell
until_healthy='
    end=$(($(date +%s) + $0))
    until why=$(timeout 5 healthy 2>&1); do
        if [ "$(date +%s)" -ge "$end" ]; then echo "$why"; exit 9; fi
        sleep 0.2
    done'
for host in $hosts; do
    {
        status=0
        docker exec "$host" sh -c "$until_healthy" "$limit" >"$work/$host.why" 2>&1 || status=$?
        echo $status >"$work/$host.part" && mv "$work/$host.part" "$work/$host.status"
    } &
    asking="$asking $!"
done

said=$(now)
while :; do
    waiting='' healthy=0
    for host in $hosts; do
        status=$(cat "$work/$host.status" 2>/dev/null || echo waiting)
        case $status in
            0) healthy=$((healthy + 1)) ;;
            waiting) waiting="$waiting ${host#"$LAB"-}" ;;
            9)
                sh services/base/make/last-words.sh "$host" "is not healthy after $limit s ($(tail -n 1 "$work/$host.why"))"
                exit 1 ;;
            *)
                # The container went away under the question; Docker may have started it again by now.
                ended=$(docker inspect --format \
                    '{{with .RestartCount}}keeps ending, {{.}} times so far{{else}}ended with status {{$.State.ExitCode}}{{end}}' "$host")
                sh services/base/make/last-words.sh "$host" "$ended"
                exit 1 ;;
        esac
    done
    [ -n "$waiting" ] || break
    if [ -z "$clear_line" ] && [ $(($(now) - said)) -ge 10 ]; then said=$(now); say "waiting for$waiting"; fi
    say_for_now "$healthy healthy, waiting for$waiting"
    sleep 0.1
done
gone=$(restarts | grep -v -x -F -f "$work/restarts" | head -n 1 | cut -d ' ' -f 1)
if [ -n "$gone" ]; then
    sh services/base/make/last-words.sh "${gone#/}" "was healthy, then ended"
    exit 1
fi
say "$healthy hosts healthy"
