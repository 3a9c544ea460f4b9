/**
 * Bundles the tests for Node's own test runner: `npm test`. Packages stay outside, so what is
 * tested runs on them as installed. With `--mode preact` it bundles the tests of the React parts
 * once more, on Preact's `compat`.
 */
import { readdirSync } from "node:fs";
import { defineConfig } from "vite";

const tests = readdirSync("test").filter((name) => /\.test\.tsx?$/.test(name));

const PREACT = [
  { find: /^react$/, replacement: "preact/compat" },
  { find: /^react-dom\/client$/, replacement: "preact/compat/client" },
  { find: /^react\/jsx-(dev-)?runtime$/, replacement: "preact/jsx-runtime" },
];

export default defineConfig(({ mode }) => {
  const isPreact = mode === "preact";
  const chosen = isPreact ? ["react.test.tsx"] : tests;
  return {
    publicDir: false,
    resolve: { alias: isPreact ? PREACT : [] },
    oxc: { jsx: { runtime: "automatic", importSource: "react", development: false } },
    build: {
      ssr: true,
      target: "node20",
      outDir: isPreact ? "node_modules/.test/preact" : "node_modules/.test",
      emptyOutDir: true,
      reportCompressedSize: false,
      rolldownOptions: { input: chosen.map((name) => `test/${name}`) },
    },
  };
});
