import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

test("the types are those of the committed contract", () => {
  const read = (path: string) => readFileSync(join(import.meta.dirname, path));
  const digest = createHash("sha256").update(read("../../../docs/openapi.json")).digest("hex");
  expect(read("../src/api/openapi.ts").toString(), "run `npm run api` in services/portal").toContain(`docs/openapi.json of SHA-256 ${digest}.`);
});
