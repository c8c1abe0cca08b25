#!/bin/sh
# Run Compose, whichever this machine has: the plugin of today, else docker-compose (a later binary, or 1.29).
#   compose.sh up -d
set -eu

if docker compose version >/dev/null 2>&1; then
    exec docker compose "$@"
elif command -v docker-compose >/dev/null 2>&1; then
    exec docker-compose "$@"
fi
echo "error: Compose is missing: install Docker's compose plugin (package docker-compose-v2, docker-compose-plugin or docker-compose)" >&2
exit 1
