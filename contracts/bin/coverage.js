// Reads an lcov file and fails if lines or branches of src/ are covered by less than the percentage given.
"use strict";
const fs = require("fs");

const [, , file, least] = process.argv;
const totals = { lines: [0, 0], branches: [0, 0] };
const missed = [];
let source;
for (const line of fs.readFileSync(file, "utf8").split("\n")) {
  const [kind, value] = [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)];
  if (kind === "SF") source = value;
  if (kind !== "DA" && kind !== "BRDA") continue;
  const fields = value.split(",");
  const hit = fields.at(-1) !== "0" && fields.at(-1) !== "-";
  const total = kind === "DA" ? totals.lines : totals.branches;
  total[0] += hit ? 1 : 0;
  total[1] += 1;
  if (!hit) missed.push(`${source}:${fields[0]} ${kind === "DA" ? "line" : "branch"} never taken`);
}
if (missed.length !== 0) console.log(missed.join("\n"));
for (const [what, [hit, all]] of Object.entries(totals)) {
  const percent = (100 * hit) / all;
  console.log(`${what}: ${hit} of ${all}, ${percent.toFixed(1)} %`);
  // No total at all is a broken report, not full coverage.
  if (!(percent >= Number(least))) process.exitCode = 1;
}
if (process.exitCode) console.error(`coverage of src/ is below ${least} %`);
