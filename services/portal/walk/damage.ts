// What a failing disk or a hand in the store does.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { Hospital } from "./hospital";
import type { System } from "./system";

/** Flips one bit of a record's sealed bytes wherever they lie in the store. */
export async function flip(system: System, cid: string): Promise<void> {
  const answer = await new Hospital(system).ask(`/ipfs/${cid}?format=raw`);
  expect(answer.status).toBe(200);
  const part = Buffer.from(await answer.arrayBuffer()).subarray(-64);
  let found = 0;
  for (const entry of readdirSync(join(system.data, "content"), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const at = join(entry.parentPath, entry.name);
    const bytes = readFileSync(at);
    const place = bytes.indexOf(part);
    if (place < 0) continue;
    bytes[place]! ^= 1;
    writeFileSync(at, bytes);
    found += 1;
  }
  expect(found).toBeGreaterThan(0);
}
