#!/usr/bin/env bash
# Measures Strongroom beside nginx and the disk, in one run. Called by `make bench`; Benchmarks/README.md has the options.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${STRONGROOM_BINARY:-}" ]; then
    Scripts/setup.sh bench
    make release
    export STRONGROOM_BINARY="$PWD/.build/release/strongroom"
fi
exec python3 Benchmarks/bench.py
