#!/bin/sh
# The sources are formatted, and the committed ABI and bytecode are what they compile to.
set -eu
cd "$(dirname "$0")"
bin/forge fmt --check
./build.sh >/dev/null
git diff --exit-code -- abi || {
    echo "contracts/abi is not what the sources compile to; run 'make contracts' and commit the result" >&2
    exit 1
}
