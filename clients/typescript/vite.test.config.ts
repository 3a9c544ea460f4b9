/**
 * Bundles the tests for Node's own test runner: `npm test`. Packages stay outside, so what is
 * tested runs on them as installed. With `--mode preact` it bundles the tests of the React parts
 * once more, on Preact's `compat`.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "vite";
import { writeExamples } from "./build/readme.ts";

const tests = readdirSync("test").filter((name) => /\.test\.tsx?$/.test(name));

const PREACT = [
  { find: /^react$/, replacement: "preact/compat" },
  { find: /^react-dom\/client$/, replacement: "preact/compat/client" },
  { find: /^react\/jsx-(dev-)?runtime$/, replacement: "preact/jsx-runtime" },
];

/** The examples of the README import this package by its name: what they get is what was built. */
const { exports } = JSON.parse(readFileSync("package.json", "utf8")) as Manifest;
const BUILT = Object.entries(exports).map(([entry, { default: file }]) => ({
  find: new RegExp(`^@switchboard/client${entry.slice(1)}$`),
  replacement: join(import.meta.dirname, file),
}));

interface Manifest {
  exports: Record<string, { default: string }>;
}

export default defineConfig(({ mode }) => {
  const isPreact = mode === "preact";
  const chosen = isPreact ? ["react.test.tsx"] : tests;
  const input = Object.fromEntries(
    chosen.map((name) => [name.replace(/\.tsx?$/, ""), `test/${name}`]),
  );
  return {
    publicDir: false,
    resolve: { alias: isPreact ? PREACT : BUILT },
    oxc: { jsx: { runtime: "automatic", importSource: "react", development: false } },
    build: {
      ssr: true,
      target: "node20",
      outDir: isPreact ? "node_modules/.test/preact" : "node_modules/.test",
      emptyOutDir: true,
      reportCompressedSize: false,
      rolldownOptions: {
        input: isPreact ? input : { ...input, ...writeExamples("node_modules/.readme") },
      },
    },
  };
});
