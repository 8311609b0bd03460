#!/bin/sh
# Line and branch coverage of src/, and a failure below 98 % of either. Arguments go to forge coverage.
set -eu
cd "$(dirname "$0")"
[ -d node_modules/solc ] && [ -d node_modules/@foundry-rs/forge ] || npm install --no-save --no-audit --no-fund --ignore-scripts
# Gas is of the bytecode that ships; the invariants walk the same lines again, at length.
FOUNDRY_PROFILE=source FOUNDRY_FUZZ_RUNS=64 bin/forge coverage --ir-minimum --exclude-tests --threads 1 \
    --no-match-contract 'Gas|Invariants' --report lcov --report summary --report-file out/lcov.info "$@"
node bin/coverage.js out/lcov.info 98
