#!/usr/bin/env node
// Breaks the contracts in one place at a time (mutants.json) and asks whether a test notices. A mutant that no test
// notices is a failure, unless the list argues why it makes no difference ("survives").
// Argument: n for every n-th mutant only.
"use strict";
const { spawnSync } = require("child_process");
const fs = require("fs");
const os = require("os");
const path = require("path");

const here = path.join(__dirname, "..");
const solc = require(path.join(here, "node_modules", "solc"));
const CONTRACTS = ["Directory", "Consent", "Anchors"];
const mutants = JSON.parse(fs.readFileSync(path.join(here, "mutants.json"), "utf8"));
const step = Number(process.argv[2] ?? 1);

// The tests take the contracts from abi/, so it is enough to put broken bytecode there, in a copy of the tests that is
// compiled once. They read the vectors beside it.
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "mutants-"));
process.on("exit", () => fs.rmSync(folder, { recursive: true, force: true }));
process.on("SIGINT", () => process.exit(130));
process.on("SIGTERM", () => process.exit(143));
const work = path.join(folder, "contracts");
fs.mkdirSync(work);
for (const part of ["src/interfaces", "test", "bin", "abi", "foundry.toml"]) {
  fs.cpSync(path.join(here, part), path.join(work, part), { recursive: true });
}
fs.symlinkSync(path.join(here, "node_modules"), path.join(work, "node_modules"));
fs.cpSync(path.join(here, "..", "tests", "vectors"), path.join(folder, "tests", "vectors"), { recursive: true });

// Compiled as quickly as the grant's many fields allow: what is asked is what the code does, not what it costs.
const settings = {
  evmVersion: "cancun",
  viaIR: true,
  optimizer: { enabled: false, details: { yul: true, yulDetails: { stackAllocation: true, optimizerSteps: "u:" } } },
  outputSelection: { "*": { "*": ["evm.bytecode.object"] } },
  remappings: ["@openzeppelin/contracts/=node_modules/@openzeppelin/contracts/"],
};
const read = (file) => fs.readFileSync(path.join(here, file), "utf8");
function compile(names, changed, text) {
  const sources = Object.fromEntries(names.map((name) => [`src/${name}.sol`, { content: read(`src/${name}.sol`) }]));
  if (changed) sources[changed] = { content: text };
  const find = (file) => ({ contents: read(file) });
  const out = JSON.parse(solc.compile(JSON.stringify({ language: "Solidity", sources, settings }), { import: find }));
  const errors = (out.errors ?? []).filter(({ severity }) => severity === "error");
  if (errors.length !== 0) throw new Error(errors.map((e) => e.formattedMessage).join("\n"));
  return names.map((name) => [name, `0x${out.contracts[`src/${name}.sol`][name].evm.bytecode.object}`]);
}
function deploy(compiled) {
  for (const [name, bytecode] of compiled) {
    fs.writeFileSync(path.join(work, "abi", `${name}.json`), JSON.stringify({ bytecode }));
  }
}

// Gas is of the bytecode that ships. What the invariants alone would notice lacks a test of its own.
const command = ["test", "--fail-fast", "--threads", "1", "--no-match-contract", "Gas|Invariants|Typed"];
const env = { ...process.env, FOUNDRY_FUZZ_RUNS: "32", FOUNDRY_CODE_SIZE_LIMIT: "100000" };
function passes() {
  const forge = path.join(work, "bin", "forge");
  const { status, stdout, stderr } = spawnSync(forge, command, { cwd: work, env, encoding: "utf8" });
  if (status !== 0 && !stdout.includes("[FAIL")) throw new Error(`the tests do not run:\n${stdout}${stderr}`);
  return status === 0;
}

async function main() {
  const whole = compile(CONTRACTS);
  deploy(whole);
  if (!passes()) throw new Error("the tests fail before anything is broken");
  let open = 0;
  const chosen = mutants.filter((_, number) => number % step === 0);
  for (const [number, { file, from, to, survives }] of chosen.entries()) {
    // Compiler and tests block; here a signal gets its turn.
    await new Promise(setImmediate);
    const source = `src/${file}.sol`;
    const text = read(source);
    if (text.split(from).length !== 2) throw new Error(`${source} has not exactly one place "${from}": mend mutants.json`);
    // A library is part of both contracts that use it.
    const broken = CONTRACTS.includes(file) ? [file] : ["Directory", "Consent"];
    deploy(compile(broken, source, text.replace(from, () => to)));
    const noticed = !passes();
    deploy(whole);
    const verdict = noticed ? (survives ? "KILLED, THOUGH ARGUED" : "killed") : survives ? "argued" : "SURVIVED";
    if (noticed === Boolean(survives)) open += 1;
    const line = (text) => text.trim().split("\n")[0] || "(nothing)";
    console.log(`${number + 1}/${chosen.length} ${verdict}: ${file}: ${line(from)} → ${line(to)}`);
  }
  console.log(`${chosen.length} mutants, ${open} not accounted for`);
  process.exitCode = open === 0 ? 0 : 1;
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
