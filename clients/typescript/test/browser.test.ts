/** The single files for pages without a build step: what they are called, and that they work. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { createContext, runInContext } from "node:vm";
import { buildBrowserClients } from "../build/browser.ts";
import type { AdminWebSocketClient } from "../src/socketio/admin.ts";
import type { WidgetWebSocketHandler } from "../src/socketio/widget.ts";
import { CONVERSATION, eventually, newDouble, SESSION_KEY, tokenOf } from "./double.ts";

let dir: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), "switchboard-browser-"));
  await buildBrowserClients(dir, process.cwd());
});
after(() => rm(dir, { recursive: true, force: true }));

/** Runs a file as a classic script of a page, and gives the page's globals. */
async function load(file: string): Promise<Record<string, unknown>> {
  const { setTimeout: later, clearTimeout: never } = globalThis;
  const page = {
    ...{ console, URL, TextEncoder, TextDecoder, AbortSignal, ArrayBuffer, Blob, atob, crypto },
    ...{ fetch, queueMicrotask, Promise, XMLHttpRequest: undefined, location: undefined },
    ...{ WebSocket: (await import("ws")).WebSocket, setTimeout: later, clearTimeout: never },
  };
  runInContext(await readFile(join(dir, file), "utf8"), createContext(page));
  return page;
}

test("the widget's file makes the class that document 003 shows", async (t) => {
  const double = await newDouble(t);
  const Handler = (await load("widget/websocket-handler.js"))[
    "WidgetWebSocketHandler"
  ] as typeof WidgetWebSocketHandler;
  const ws = new Handler();
  t.after(() => ws.dispose());
  const states: string[] = [];
  ws.onConnectionChange((state) => states.push(state));
  ws.connect(SESSION_KEY, double.url);
  await ws.joinConversation(CONVERSATION);
  ws.sendMessage("from a plain page");
  await eventually(() => double.messages.length === 1, "the message");
  assert.deepEqual(states, ["connected"]);
});

test("the dashboard's file makes the one client of the page", async (t) => {
  const double = await newDouble(t);
  const admin = (await load("admin/websocket-client.js"))["adminWebSocket"] as AdminWebSocketClient;
  t.after(() => admin.dispose());
  admin.connect(tokenOf("agent_1"), double.url);
  await eventually(() => admin.isConnected, "the connection");
});

test("the same client is there as a module", async () => {
  const module = (await import(pathToFileURL(join(dir, "admin/websocket-client.mjs")).href)) as {
    default: AdminWebSocketClient;
  };
  assert.equal(module.default.state, "disconnected");
});

test("the official client is the official client, byte for byte", async () => {
  for (const name of ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js"]) {
    const official = await readFile(join("node_modules/socket.io-client/dist", name));
    assert.deepEqual(await readFile(join(dir, "socket.io", name)), official, name);
  }
});
