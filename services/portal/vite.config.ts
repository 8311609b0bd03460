import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// Two builds: `dist/production`, and `dist/samples`, which also holds the wallet of the published development accounts.
// The flag is a constant of the build, so the production build does not contain the wallet at all (test/build.test.ts).
export default defineConfig(({ mode, command }) => {
  const samples = mode === "samples";
  // `GATEWAY=http://127.0.0.1:8080 npm run dev`: the gateway of a running `chartseal up`.
  const gateway = process.env.GATEWAY ?? "http://127.0.0.1:8080";
  return {
    plugins: [react()],
    define: {
      __SAMPLE_WALLET__: JSON.stringify(samples),
      __ORIGIN__: JSON.stringify(command === "serve" ? gateway : ""),
    },
    build: {
      outDir: samples ? "dist/samples" : "dist/production",
      target: "es2022",
      // A data: URL would need a hole in the content security policy.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
    },
    server: {
      proxy: Object.fromEntries(["/v1", "/fhir", "/ipfs", "/portal.json"].map((path) => [path, gateway])),
    },
  };
});
