/**
 * Bundles the tests for Node's own test runner: `npm test`. Packages stay outside, so what is
 * tested runs on them as installed.
 */
import { readdirSync } from "node:fs";
import { defineConfig } from "vite";

const tests = readdirSync("test").filter((name) => /\.test\.tsx?$/.test(name));

export default defineConfig({
  publicDir: false,
  build: {
    ssr: true,
    target: "node20",
    outDir: "node_modules/.test",
    emptyOutDir: true,
    reportCompressedSize: false,
    rolldownOptions: { input: tests.map((name) => `test/${name}`) },
  },
});
