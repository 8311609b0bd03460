// Takes what Rust and TypeScript need out of forge's artifacts: abi, bytecode, deployedBytecode, immutables; sorted, so that a diff is a change.
"use strict";
const fs = require("fs");
const path = require("path");

const root = path.join(__dirname, "..");
const order = ["constructor", "function", "event", "error"];
const signature = (item) => `${item.name ?? ""}(${(item.inputs ?? []).map((input) => input.type).join(",")})`;
const byKindThenName = (a, b) =>
  order.indexOf(a.type) - order.indexOf(b.type) || (signature(a) < signature(b) ? -1 : 1);
const sorted = (value) =>
  Array.isArray(value)
    ? value.map(sorted)
    : value && typeof value === "object"
      ? Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]))
      : value;

fs.mkdirSync(path.join(root, "abi"), { recursive: true });
for (const name of ["Directory", "Consent", "Anchors"]) {
  const built = JSON.parse(fs.readFileSync(path.join(root, "out", `${name}.sol`, `${name}.json`), "utf8"));
  const artifact = {
    abi: sorted([...built.abi].sort(byKindThenName)),
    bytecode: built.bytecode.object,
    deployedBytecode: built.deployedBytecode.object,
    // Where the constructor writes immutables into it: left out when deployed code is compared with this.
    immutables: Object.values(built.deployedBytecode.immutableReferences ?? {})
      .flat()
      .map(({ start, length }) => ({ length, start }))
      .sort((a, b) => a.start - b.start),
  };
  fs.writeFileSync(path.join(root, "abi", `${name}.json`), `${JSON.stringify(artifact, null, 1)}\n`);
}
