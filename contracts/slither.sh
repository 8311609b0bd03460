#!/bin/sh
# Slither over src/: no finding, or one argued beside the code (`slither-disable-next-line`). Not asked: `timestamp`, because
# deadlines and `until` are days and what a validator can shift is seconds; what lies in node_modules is OpenZeppelin's.
set -eu
cd "$(dirname "$0")"
if ! cmp -s requirements.txt .venv/requirements.txt; then
    rm -rf .venv
    python3 -m venv .venv
    .venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
    cp requirements.txt .venv/requirements.txt
fi
# Folders of its own: slither begins with `forge clean`.
FOUNDRY_OUT=out/slither FOUNDRY_CACHE_PATH=cache/slither PATH="$PWD/bin:$PWD/.venv/bin:$PATH" \
    .venv/bin/slither . --exclude timestamp --exclude-dependencies --filter-paths 'node_modules|test/' --fail-pedantic "$@"
