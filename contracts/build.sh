#!/bin/sh
# Compiles the contracts and writes abi/{Directory,Consent,Anchors}.json. Running it again gives the same bytes.
set -eu
cd "$(dirname "$0")"
[ -d node_modules/solc ] && [ -d node_modules/@foundry-rs/forge ] || npm install --no-save --no-audit --no-fund --ignore-scripts
bin/forge build --skip test
node bin/artifacts.js
