/** Runs every example of README.md against doubles of the server, on the package as built. */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { pathToFileURL } from "node:url";
import { WebSocket, WebSocketServer } from "ws";
import { buildBrowserClients } from "../build/browser.ts";
import { examplesOf } from "../build/readme.ts";
import { newDom } from "./dom.ts";
import { CONVERSATION, Double, eventually, SESSION_KEY, settle, tokenOf } from "./double.ts";
import { SESSION } from "./fake-socket.ts";
import { HubDouble } from "./hub-double.ts";
import { statusOf } from "./http-double.ts";

/** What the example that is running has shown. Clients of earlier ones may still speak. */
const shownBy = new AsyncLocalStorage<string[]>();

const STATUS = statusOf({ customer_123: "customer" });

/** What each example is expected to show; an example without an entry fails. */
const SHOWN: Record<string, string[]> = {
  "A user in a session 1": ["connecting", "connected", "Hello"],
  "A user in a session 2": ["1", "1"],
  "An agent on Socket.IO 1": ["connected", "Hello customer!", "sent as number 1"],
  "A customer on Socket.IO 1": ["connected", "0", "true"],
  "One file, no build step 1": ["Hello from a plain page"],
  "Who is connected 1": ["1 Connected", "waiting", "HTTP 400: Bad Request"],
  "Who is connected 2": ["Customer waiting for agent!"],
  "React 1": [],
  "An agent's heartbeat 1": ["online"],
  "Agents and what they are offered 1": [
    "Dewi: online, 1 of 5",
    "Customer Support: 2 waiting",
    "mine now",
    "Agus was quicker",
    "declined",
  ],
  "Every event as it happens 1": [
    "connecting",
    "connected",
    "+6281234567890 calls 1500",
    "call.incoming of c1",
    "sent as number 1",
  ],
  "Every event as it happens 2": ["visitor connected", "your conversation is s1"],
  "Telling events 1": ["call.ended invalid: payload.duration: is negative", "told at c9"],
  "Metrics 1": ["0 1 0 0"],
};

/** What the examples ask of REST. */
const REST: Record<string, { status?: number; body: object }> = {
  "POST /api/sessions": {
    status: 201,
    body: {
      data: {
        session_id: CONVERSATION,
        session_key: SESSION_KEY,
        user_id: "customer_1",
        token: tokenOf("customer_1"),
      },
    },
  },
  [`GET /api/session/${SESSION}/connection-status`]: { body: { success: true, data: STATUS } },
  "GET /api/session/session_123/connection-status": { status: 400, body: { success: false } },
  "GET /api/sessions?limit=200": {
    body: { data: { sessions: [{ status: "waiting" }], next_cursor: null } },
  },
  "GET /api/agent-status/online": {
    body: { data: [{ name: "Dewi", status: "online", current_chats: 1, max_chats: 5 }] },
  },
  "GET /api/agent-status/stats": {
    body: { data: [{ department: "Customer Support", waiting: 2 }] },
  },
  [`POST /api/sessions/${SESSION}/assign`]: { body: { data: { agent_name: "Dewi" } } },
  "POST /api/sessions/another/assign": {
    status: 409,
    body: { message: "Conflict", data: { agent_id: "a2", name: "Agus" } },
  },
  [`POST /api/sessions/${SESSION}/decline`]: { body: { data: { outcome: "declined" } } },
  "POST /api/events": {
    status: 202,
    body: {
      data: {
        accepted: 2,
        rejected: [{ index: 1, code: "invalid", message: "payload.duration: is negative" }],
        cursor: "c9",
      },
    },
  },
  "POST /api/agent-status/heartbeat": { body: { data: { agent_id: "a1", status: "online" } } },
};

/** A server for the examples: Socket.IO and the hub of the doubles, and a few REST answers. */
async function newServer(t: TestContext): Promise<Double> {
  const double = await new Double().start();
  const hub = attachHub(double);
  t.after(() => {
    hub.cut(); // or the server waits for its lines for ever
    return double.stop();
  });
  double.http.on("request", (request, response) => {
    const answer = REST[`${request.method} ${request.url}`];
    if (!answer || response.headersSent) return;
    const headers = { "content-type": "application/json" };
    response.writeHead(answer.status ?? 200, headers).end(JSON.stringify(answer.body));
  });
  return double;
}

function attachHub({ http }: Double): HubDouble {
  const hub = new HubDouble();
  const call = { unique_id: "u", caller_id: "+6281234567890", destination: "1500" };
  hub.first = [{ ...hub.frame("call.incoming", call), cursor: "c1" }];
  hub.welcome = ({ path }) => (path === "/ws/public" ? { session_id: "s1" } : {});
  hub.attach(http);
  return hub;
}

/** The session dialect, as far as the examples go. */
async function newSessionServer(t: TestContext): Promise<string> {
  const http = createServer();
  const server = new WebSocketServer({ server: http });
  server.on("connection", (socket) => {
    const say = (type: string, data: object) => socket.send(JSON.stringify({ type, data }));
    say("connection_established", { session_id: SESSION, cursor: "c0", heartbeat_interval: 180 });
    const update = { session_id: SESSION, connection_status: STATUS, timestamp: "" };
    say("connection_status_update", update);
    socket.on("message", (text) => {
      const { type, data } = JSON.parse(String(text));
      if (type === "message") say("message", { ...data, seq: 1, user_id: "customer_123" });
    });
  });
  t.after(() => {
    for (const socket of server.clients) socket.terminate();
    http.close();
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  return `ws://127.0.0.1:${(http.address() as AddressInfo).port}`;
}

// One document for all of them, never taken away: what an example renders is never unmounted.
newDom({ after: () => {} }, `<main id="root"></main>`);

/** The names that the examples take from their page. */
async function givePage(t: TestContext): Promise<void> {
  const double = await newServer(t);
  const page = {
    WebSocket,
    show: (value: unknown) => void shownBy.getStore()?.push(String(value)),
    serverUrl: double.url,
    wsUrl: await newSessionServer(t),
    sessionId: SESSION,
    sessionKey: SESSION_KEY,
    apiKey: "sbk_sample",
    token: tokenOf("agent_1"),
  };
  Object.assign(globalThis, page);
  t.after(() => {
    for (const name of Object.keys(page)) Reflect.deleteProperty(globalThis, name);
  });
}

const examples = examplesOf(await readFile("README.md", "utf8"));

for (const { name, language, code } of examples) {
  test(`README: ${name}`, async (t) => {
    const expected = SHOWN[name];
    assert.ok(expected, "there is no expectation for this example");
    await givePage(t);
    const file = pathToFileURL(join(import.meta.dirname, "readme", `${name}.js`)).href;
    const shown: string[] = [];
    await shownBy.run(shown, () => (language === "html" ? runPage(t, code) : import(file)));
    await eventually(() => shown.length >= expected.length, `${expected}, not ${shown}`);
    await settle();
    assert.deepEqual([...shown].sort(), [...expected].sort());
    if (name.startsWith("React")) await checkReact();
  });
}

test("no expectation is left over", () => {
  assert.deepEqual(
    examples.map(({ name }) => name),
    Object.keys(SHOWN),
  );
});

/** Runs the scripts of a page as a browser does: classic, in order, with shared globals. */
async function runPage(t: TestContext, html: string): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "switchboard-readme-"));
  t.after(() => rm(dir, { recursive: true, force: true }));
  await buildBrowserClients(dir, process.cwd());
  for (const [, src, inline] of html.matchAll(/<script(?: src="(.*?)")?>([\s\S]*?)<\/script>/g)) {
    const text = src ? await readFile(join(dir, src), "utf8") : inline!;
    (0, eval)(text);
  }
}

async function checkReact(): Promise<void> {
  const root = document.getElementById("root")!;
  await eventually(() => root.textContent?.includes("The customer is here"), root.innerHTML);
  await eventually(() => root.textContent?.includes("Customers: 1"), root.innerHTML);
}
