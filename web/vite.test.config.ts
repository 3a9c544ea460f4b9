/** Bundles the unit tests for Node's own test runner: `npm test`. */
import { readdirSync } from "node:fs";
import { defineConfig } from "vite";

const tests = readdirSync("test").filter((name) => name.endsWith(".test.ts"));

export default defineConfig({
  publicDir: false,
  resolve: { conditions: ["source"] },
  ssr: { resolve: { conditions: ["source"] }, noExternal: true },
  build: {
    ssr: true,
    target: "node20",
    outDir: "node_modules/.test",
    emptyOutDir: true,
    reportCompressedSize: false,
    rolldownOptions: { input: tests.map((name) => `test/${name}`) },
  },
});
