import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "vite";
import { expect, test, vi } from "vitest";

// Not the development build of React, which a test would get.
vi.stubEnv("NODE_ENV", "production");

test("only the samples build holds the sample wallet, and no page holds a script or style of its own", { timeout: 60_000 }, async () => {
  const root = join(import.meta.dirname, "..");
  const built = async (mode: string) => {
    await build({ root, mode, logLevel: "silent" });
    const folder = join(root, "dist", mode);
    const texts = readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => /\.(js|html|css)$/.test(name))
      .map((name) => readFileSync(join(folder, name), "utf8"));
    const index = readFileSync(join(folder, "index.html"), "utf8");
    expect(index).not.toMatch(/<style|<script(?![^>]* src=)| style=/);
    return texts.join("\n");
  };
  expect(await built("samples")).toContain("test test test");
  const production = await built("production");
  expect(production).not.toContain("test test test");
  expect(production).not.toContain("eip6963:announceProvider\",{detail");
});

/** Compressed bytes of a script, and of all it imports before it runs. */
function load(folder: string, script: string, seen = new Set<string>()): number {
  if (seen.has(script)) return 0;
  seen.add(script);
  const text = readFileSync(join(folder, script));
  const imports = [...text.toString().matchAll(/(?:^|[;}])import(?:[^"'()]*from)?["']\.\/([^"']+\.js)["']/g)].map((match) => `assets/${match[1]}`);
  return imports.reduce((sum, next) => sum + load(folder, next, seen), gzipSync(text).length);
}

test("the first load is small: the home page, and then each door with what it signs with", { timeout: 60_000 }, async () => {
  const root = join(import.meta.dirname, "..");
  const folder = join(root, "dist/production");
  await build({ root, mode: "production", logLevel: "silent" });
  const index = readFileSync(join(folder, "index.html"), "utf8");
  const seen = new Set<string>();
  const scripts = [...index.matchAll(/(?:src|href)="\/(assets\/[^"]+\.js)"/g)].map((match) => match[1]!);
  const home = scripts.reduce((sum, script) => sum + load(folder, script, seen), 0);
  const doors = readdirSync(join(folder, "assets")).filter((name) => /^rooms-.*\.js$/.test(name));
  expect(doors).toHaveLength(4);
  const largest = Math.max(...doors.map((door) => load(folder, `assets/${door}`, new Set(seen))));
  console.info(`first load, compressed: home ${Math.round(home / 1024)} KiB, the largest door ${Math.round(largest / 1024)} KiB more`);
  expect(home).toBeLessThan(100 * 1024);
  expect(home + largest).toBeLessThan(250 * 1024);
});
