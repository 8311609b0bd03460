#!/bin/sh
# Builds, then runs the tests. Arguments go to forge test. Gas and sizes must be those of gas.json:
# FORGE_SNAPSHOT_CHECK=false contracts/test.sh --match-contract Gas    writes it anew.
set -eu
cd "$(dirname "$0")"
./build.sh
FORGE_SNAPSHOT_CHECK="${FORGE_SNAPSHOT_CHECK:-true}" bin/forge test "$@"
