import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "vite";
import { expect, test } from "vitest";

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
