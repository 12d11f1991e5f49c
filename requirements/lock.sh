#!/usr/bin/env bash
# Writes the pinned and hashed requirement files from pyproject.toml; run it with `make lock`.
# PyTorch has builds for CPU and for several CUDA versions under one version number, so its file (torch.txt, by hand)
# carries the version without a hash, and what it alone brings (CUDA, Triton) is left to it.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}
flags=(--quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header)
for extra in cpu gpu load test; do
  "$uv" pip compile "${flags[@]}" "$@" --extra "$extra" pyproject.toml -o "requirements/$extra.txt"
done
"$uv" pip compile "${flags[@]}" "$@" --extra cpu --extra openvino pyproject.toml -o requirements/openvino.txt
"$uv" pip compile "${flags[@]}" "$@" --group audit -o requirements/audit.txt
brought_by_torch=$("$uv" pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header --extra train pyproject.toml |
  sed -nE 's/^(torchvision|torch|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)[= ].*/--no-emit-package \1/p')
# shellcheck disable=SC2086
"$uv" pip compile "${flags[@]}" "$@" $brought_by_torch --extra test-train pyproject.toml -o requirements/train.txt
