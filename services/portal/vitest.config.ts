import { defineConfig } from "vitest/config";

export default defineConfig({
  define: { __SAMPLE_WALLET__: "false", __ORIGIN__: '""' },
  // The tests build, and Vite would build React's development half under vitest's own NODE_ENV.
  test: { include: ["test/**/*.test.ts"], env: { NODE_ENV: "production" } },
});
