import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { include: ["walk/**/*.walk.ts"], testTimeout: 120_000, hookTimeout: 180_000, fileParallelism: false, bail: 1 },
});
