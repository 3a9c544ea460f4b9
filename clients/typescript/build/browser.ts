/**
 * The clients as single files for pages without a build step, under paths that equal their URLs:
 *
 *   socket.io/socket.io.js (.min.js, .esm.min.js)   the official client, unmodified
 *   widget/websocket-handler.js                     global `WidgetWebSocketHandler`
 *   admin/websocket-client.js                       global `adminWebSocket`
 *   admin/websocket-client.mjs                      the same as a module, default export
 *
 * A new file is one more entry in `CLIENTS`, and a line in the server's list of files.
 */
import { copyFile, mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "vite";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

interface BrowserClient {
  /** Below `src/browser`. */
  entry: string;
  file: string;
  /** The global; a file without one is a module. */
  global?: string;
}

const CLIENTS: readonly BrowserClient[] = [
  {
    entry: "widget.ts",
    file: "widget/websocket-handler.js",
    global: "WidgetWebSocketHandler",
  },
  { entry: "admin.ts", file: "admin/websocket-client.js", global: "adminWebSocket" },
  { entry: "admin.ts", file: "admin/websocket-client.mjs" },
];

const OFFICIAL = ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js"];

/** A Vite plugin that adds the files to the output of the build it is part of. */
export function browserClients(): Plugin {
  let outDir = "dist";
  return {
    name: "browser-clients",
    apply: "build",
    configResolved(config) {
      outDir = join(config.root, config.build.outDir);
    },
    closeBundle: { order: "pre", sequential: true, handler: () => buildBrowserClients(outDir) },
  };
}

/** Writes all of them below `outDir`. `root` is this package's folder. */
export async function buildBrowserClients(outDir: string, root = ROOT): Promise<void> {
  for (const client of CLIENTS) await bundle(client, outDir, root);
  const official = dirname(createRequire(join(root, "package.json")).resolve("socket.io-client"));
  const target = join(outDir, "socket.io");
  await mkdir(target, { recursive: true });
  for (const name of OFFICIAL) {
    await copyFile(join(official, "../../dist", name), join(target, name));
  }
}

async function bundle(client: BrowserClient, outDir: string, root: string): Promise<void> {
  const { entry, file, global } = client;
  await build({
    configFile: false,
    root,
    publicDir: false,
    logLevel: "warn",
    build: {
      target: "es2022",
      outDir,
      emptyOutDir: false,
      reportCompressedSize: false,
      minify: true,
      lib: {
        entry: join(root, "src/browser", entry),
        formats: [global ? "umd" : "es"],
        fileName: () => file,
        ...(global && { name: global }),
      },
    },
  });
}
