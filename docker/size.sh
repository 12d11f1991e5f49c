#!/bin/sh
# What an image adds to its base, in MB:  docker/size.sh [IMAGE] [BASE]
set -eu
image=${1:-snellen:cpu}
base=${2:-python:3.11-slim-bookworm}
size() { docker image inspect --format '{{.Size}}' "$1"; }
echo "$image: $(($(size "$image") / 1000000)) MB, of which $base: $(($(size "$base") / 1000000)) MB," \
  "added: $((($(size "$image") - $(size "$base")) / 1000000)) MB"
docker history --format '{{.Size}}	{{.CreatedBy}}' "$image" | grep -v '^0B' | cut -c 1-100
