#!/usr/bin/env bash
# Fuzzes every target for as many executions as asked, which are counted at the end: fuzz/run.sh [RUNS], of some with
# TARGETS="receipt manifest". Needs cargo-fuzz, and a nightly toolchain or, where there is none, a stable one that is told
# to act like it.
set -euo pipefail
cd "$(dirname "$0")"
runs=${1:-2000000}
root=..

toolchain=()
if rustup toolchain list 2>/dev/null | grep -q '^nightly'; then
    toolchain=(+nightly)
else
    export RUSTC_BOOTSTRAP=1
fi

# Seeds: the committed vectors, each parser's own.
mkdir -p corpus/{age_header,age_payload,statement,receipt,manifest}
for vector in "$root"/services/envelope/tests/testkit/*_* "$root"/services/envelope/tests/testkit/{x25519,empty}; do
    # The file begins after the first empty line; compressed ones are too large to be seeds.
    grep -aq '^compressed: ' "$vector" || LC_ALL=C sed '1,/^$/d' "$vector" >"corpus/age_header/$(basename "$vector")"
done
node - "$root" <<'JS'
const fs = require("node:fs");
const root = process.argv[2];
const read = (name) => JSON.parse(fs.readFileSync(`${root}/tests/vectors/${name}.json`, "utf8"));
const hex = (text) => Buffer.from(text.replace(/^0x/, ""), "hex");
const [record, envelope] = [read("record"), read("envelope")];
fs.writeFileSync("corpus/statement/line", envelope.sealed_record.line);
fs.writeFileSync("corpus/statement/plaintext", hex(envelope.sealed_record.plaintext));
fs.writeFileSync("corpus/statement/statement", JSON.stringify(envelope.sealed_record.statement));
for (const [name, plain] of Object.entries(envelope.refused_record)) fs.writeFileSync(`corpus/statement/${name}`, hex(plain));
fs.writeFileSync("corpus/receipt/receipt", JSON.stringify(record.receipt.json));
fs.writeFileSync("corpus/manifest/manifest", hex(record.batch.manifest));
fs.writeFileSync("corpus/age_payload/untouched", Buffer.from([6, 20]));
fs.writeFileSync("corpus/age_payload/flipped", Buffer.from([7, 9, 0, 5, 0, 1]));
JS

targets=${TARGETS-age_header age_payload statement receipt manifest}
stats=$(mktemp)
trap 'rm -f "$stats"' EXIT
for target in $targets; do
    echo "== $target"
    cargo "${toolchain[@]}" fuzz run "$target" -- -runs="$runs" -rss_limit_mb=1024 -verbosity=0 -print_final_stats=1 2>&1 |
        tee -a /dev/stderr | sed -n "s/^stat::number_of_executed_units: */$target /p" >>"$stats"
done
echo "executions without a crash:"
awk '{ printf "  %-12s %12d\n", $1, $2; all += $2 } END { printf "  %-12s %12d\n", "all", all }' "$stats"
