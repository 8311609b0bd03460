import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "vite";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "..");

/** Every file of a production build by its SHA-256, as `make portal` lists them. */
async function built(): Promise<Map<string, string>> {
  const folder = mkdtempSync(join(tmpdir(), "portal-build-"));
  try {
    await build({ root: ROOT, mode: "production", logLevel: "silent", build: { outDir: folder, emptyOutDir: true } });
    const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => statSync(join(folder, name)).isFile());
    return new Map(names.sort().map((name) => [name, createHash("sha256").update(readFileSync(join(folder, name))).digest("hex")]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("two builds are the same files, so that published hashes mean something", { timeout: 60_000 }, async () => {
  const first = await built();
  expect(first.size).toBeGreaterThan(4);
  expect(await built()).toEqual(first);
});

test("what computes with keys is loaded when it is asked for, not before", () => {
  const sources = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" }).filter((name) => /\.tsx?$/.test(name));
  // `caught` holds sentences only; everything else of the folder brings the cryptography along.
  const eager = sources
    .filter((name) => !/^(custody|pages\/(\w+\/)?keys)\//.test(name))
    .filter((name) => /^import (?!type)[^;]*(custody\/(?!caught)|\/keys\/)/m.test(readFileSync(join(ROOT, "src", name), "utf8")));
  expect(eager).toEqual([]);
});
