#!/bin/sh
# Builds, then runs the tests. Arguments go to forge test.
set -eu
cd "$(dirname "$0")"
./build.sh
bin/forge test "$@"
