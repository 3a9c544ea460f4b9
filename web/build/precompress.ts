/**
 * A Vite plugin that writes a `.br` and a `.gz` beside every compressible file of the output, so
 * that the server can send the smallest form without compressing anything itself.
 *
 * It knows nothing of the pages. A new kind of file is one more entry in `COMPRESSIBLE`.
 */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import type { Plugin } from "vite";

/** Smaller files fit into one network packet anyway. */
const COMPRESS_BYTES_MIN = 1024;

const COMPRESSIBLE = new Set([".html", ".js", ".mjs", ".css", ".svg", ".json", ".txt"]);

/** Makes the plugin; it runs once the whole bundle is on disk. */
export function precompress(): Plugin {
  let outDir = "dist";
  return {
    name: "precompress",
    apply: "build",
    configResolved(config) {
      outDir = join(config.root, config.build.outDir);
    },
    closeBundle: {
      // After whatever else adds files to the output.
      order: "post",
      sequential: true,
      async handler() {
        for (const file of await listFiles(outDir)) await compressFile(file);
      },
    },
  };
}

async function listFiles(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && COMPRESSIBLE.has(extname(entry.name)))
    .map((entry) => join(entry.parentPath, entry.name));
}

async function compressFile(file: string): Promise<void> {
  const plain = await readFile(file);
  if (plain.length <= COMPRESS_BYTES_MIN) return;
  const brotli = await promisify(brotliCompress)(plain, {
    params: {
      [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_SIZE_HINT]: plain.length,
    },
  });
  const gzipped = await promisify(gzip)(plain, { level: constants.Z_BEST_COMPRESSION });
  await Promise.all([writeFile(`${file}.br`, brotli), writeFile(`${file}.gz`, gzipped)]);
}
