#!/usr/bin/env node
// Breaks the contracts in one place at a time (mutants.json) and asks whether a test notices.
// A mutant that no test notices is a failure, unless the list argues why it makes no difference ("survives").
// Arguments: nothing for all, or n for every n-th.
"use strict";
const { spawnSync } = require("child_process");
const fs = require("fs");
const os = require("os");
const path = require("path");

const here = path.join(__dirname, "..");
const mutants = JSON.parse(fs.readFileSync(path.join(here, "mutants.json"), "utf8"));
const step = Number(process.argv[2] ?? 1);

// A copy, so that a run that dies leaves the sources as they were. The tests read the vectors beside it.
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "mutants-"));
process.on("exit", () => fs.rmSync(folder, { recursive: true, force: true }));
process.on("SIGINT", () => process.exit(130));
process.on("SIGTERM", () => process.exit(143));
const work = path.join(folder, "contracts");
fs.mkdirSync(work);
for (const part of ["src", "test", "bin", "abi", "foundry.toml"]) {
  fs.cpSync(path.join(here, part), path.join(work, part), { recursive: true });
}
fs.symlinkSync(path.join(here, "node_modules"), path.join(work, "node_modules"));
fs.cpSync(path.join(here, "..", "tests", "vectors"), path.join(folder, "tests", "vectors"), { recursive: true });

// Gas is of the default profile. The invariants are the same rules at length: what they alone would notice is a missing
// test of its own.
const command = ["test", "--fail-fast", "--threads", "1", "--no-match-contract", "Gas|Invariants|Typed"];
function passes() {
  const env = { ...process.env, FOUNDRY_PROFILE: "source", FOUNDRY_FUZZ_RUNS: "128" };
  const { status, stdout, stderr } = spawnSync(path.join(work, "bin", "forge"), command, { cwd: work, env, encoding: "utf8" });
  if (status !== 0 && !stdout.includes("[FAIL")) throw new Error(`the tests do not run:\n${stdout}${stderr}`);
  return status === 0;
}

if (!passes()) throw new Error("the tests fail before anything is broken");
let survived = 0;
const chosen = mutants.filter((_, number) => number % step === 0);
for (const [number, { file, from, to, survives }] of chosen.entries()) {
  const source = path.join(work, "src", `${file}.sol`);
  const whole = fs.readFileSync(source, "utf8");
  if (whole.split(from).length !== 2) throw new Error(`${file}.sol has not exactly one place "${from}"; mend mutants.json`);
  fs.writeFileSync(source, whole.replace(from, () => to));
  const verdict = passes() ? (survives ? "argued" : "SURVIVED") : survives ? "KILLED THOUGH ARGUED" : "killed";
  if (verdict === verdict.toUpperCase()) survived += 1;
  fs.writeFileSync(source, whole);
  console.log(`${number + 1}/${chosen.length} ${verdict}: ${file}: ${from.trim().split("\n")[0]} → ${to.trim().split("\n")[0] || "(nothing)"}`);
}
console.log(`${chosen.length} mutants, ${survived} not accounted for`);
process.exitCode = survived === 0 ? 0 : 1;
