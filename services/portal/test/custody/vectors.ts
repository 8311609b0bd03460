import { readFileSync } from "node:fs";
import { join } from "node:path";

/** One of tests/vectors/*.json, which Rust reads too. Its shape is what the tests check. */
// biome-ignore lint: the shape is what the tests check
export function vectors(name: "claim" | "envelope" | "record" | "rfc9180"): any {
  return JSON.parse(readFileSync(join(import.meta.dirname, "../../../../tests/vectors", `${name}.json`), "utf8"));
}
