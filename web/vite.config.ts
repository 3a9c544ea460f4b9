/**
 * How the pages are built: one HTML file per page, hashed assets under `/assets/`, nothing inline,
 * so that the server's Content-Security-Policy can be as strict as `script-src 'self'`.
 *
 * A new page is one HTML file beside this one and one entry in `input`.
 */
import { defaultClientConditions, defineConfig } from "vite";
import { browserClients } from "../clients/typescript/build/browser.ts";
import { precompress } from "./build/precompress.ts";

/** Where `npm run dev` finds a running server. */
const backend = process.env["SWITCHBOARD_URL"] ?? "http://127.0.0.1:8080";
const proxied = ["/api", "/health", "/ready", "/metrics", "/openapi.json", "/asyncapi.json"];

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  // Our own client package is compiled with the pages, from its sources.
  resolve: { conditions: ["source", ...defaultClientConditions] },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      input: ["index.html", "websocket-test.html", "docs.html", "widget/chatbot-iframe.html"],
    },
  },
  server: {
    proxy: {
      ...Object.fromEntries(proxied.map((path) => [path, backend])),
      "/ws": { target: backend, ws: true },
      "/socket.io": { target: backend, ws: true },
    },
  },
  plugins: [browserClients(), precompress()],
});
