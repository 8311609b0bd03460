import { defineConfig } from "vitest/config";

export default defineConfig({
  define: { __SAMPLE_WALLET__: "false", __ORIGIN__: '""' },
  test: { include: ["test/**/*.test.ts"] },
});
