#!/bin/sh
# Name the lab's containers that ended in failure, with what they wrote last.
set -eu

docker ps -aq --filter "label=com.docker.compose.project=$LAB" | xargs -r docker inspect --format \
    '{{.Name}} {{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}}' |
    while read -r name status code out_of_memory; do
        case $status/$code in
            exited/0 | created/* | running/*) continue ;;
        esac
        why="ended with status $code"
        [ "$out_of_memory" = false ] || why='ran out of memory'
        sh services/base/make/last-words.sh "${name#/}" "$why" </dev/null
    done
