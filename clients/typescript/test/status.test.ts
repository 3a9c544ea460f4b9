/** Document 000's clients: who is connected, asked over REST and told live. */
import assert from "node:assert/strict";
import { mock, test, type TestContext } from "node:test";
import type { ServerFrame } from "../src/session/frames.ts";
import { ConnectionStatusAPI, isWaiting, LiveChatStatusMonitor } from "../src/status/index.ts";
import { newClock } from "./clock.ts";
import { newDom, setHidden } from "./dom.ts";
import { FakeSocket, SESSION } from "./fake-socket.ts";
import { newHttpDouble, statusOf } from "./http-double.ts";

// 000: acceptance 26
test("a session's status comes as the server sends it, or throws its HTTP status", async (t) => {
  const data = statusOf({ user_123: "customer" });
  const answers = [
    { body: { success: true, message: "Connection status retrieved successfully", data } },
    { status: 400, body: { success: false, message: "Invalid session ID" } },
  ];
  const { url, asked } = await newHttpDouble(t, () => answers.shift()!);
  const api = new ConnectionStatusAPI(`${url}/`, { token: "t1" });
  assert.deepEqual((await api.getSessionStatus(SESSION)).data, data);
  await assert.rejects(api.getSessionStatus("session_123"), new Error("HTTP 400: Bad Request"));
  assert.deepEqual(
    asked.map(({ url: path, authorization }) => [path, authorization]),
    [
      [`/api/session/${SESSION}/connection-status`, "Bearer t1"],
      ["/api/session/session_123/connection-status", "Bearer t1"],
    ],
  );
});

// 000: acceptance 27
test("all active sessions are read page by page", async (t) => {
  const page = (ids: string[], next_cursor: string | null) => ({
    body: { data: { sessions: ids.map((session_id) => ({ session_id })), next_cursor } },
  });
  const { url, asked } = await newHttpDouble(t, ({ url: path }) =>
    path.includes("cursor=c1.x") ? page(["three"], null) : page(["one", "two"], "c1.x"),
  );
  const sessions = await new ConnectionStatusAPI(url).getAllActiveSessions();
  assert.deepEqual(
    sessions.map(({ session_id }) => session_id),
    ["one", "two", "three"],
  );
  assert.equal(asked.length, 2);
});

const PAGE = `<i id="customer-indicator"></i><i id="agent-indicator"></i><p id="connected-users"></p>`;

function newMonitor(t: TestContext, options: object = {}) {
  const window = newDom(t, PAGE);
  const clock = newClock(t);
  const sockets: FakeSocket[] = [];
  const openSocket = (url: string) => {
    sockets.push(new FakeSocket(url));
    return sockets.at(-1)!;
  };
  const monitor = new LiveChatStatusMonitor("ws://here:8081", SESSION, "admin_456", "admin", {
    openSocket,
    random: () => 1,
    ...options,
  });
  t.after(() => monitor.disconnect());
  monitor.connect();
  return { window, clock, monitor, sockets, newest: () => sockets.at(-1)! };
}

const timestamp = "2025-01-24T10:30:15Z";

// 000: acceptance 32, 35, 36, 37, 38
test("an update shows in the page's elements and goes round as a DOM event", (t) => {
  const { window, newest } = newMonitor(t);
  const details: { sessionId: string; status: Parameters<typeof isWaiting>[0] }[] = [];
  window.document.addEventListener("connectionStatusUpdate", (event) =>
    details.push((event as unknown as CustomEvent).detail),
  );
  assert.equal(newest().url, `ws://here:8081/ws/${SESSION}/admin_456/admin`);
  newest().welcome();
  const connection_status = statusOf({ "<b>mallory</b>": "customer" });
  newest().say("connection_status_update", { session_id: SESSION, connection_status, timestamp });
  const text = (id: string) => window.document.getElementById(id)?.textContent;
  const classOf = (id: string) => window.document.getElementById(id)?.className;
  assert.deepEqual(
    [text("customer-indicator"), classOf("customer-indicator")],
    ["1 customer(s)", "online"],
  );
  assert.deepEqual(
    [text("agent-indicator"), classOf("agent-indicator")],
    ["0 agent(s)", "offline"],
  );
  const item = window.document.querySelector("#connected-users .user-item.customer");
  assert.equal(item?.querySelector(".user-name")?.textContent, "<b>mallory</b>");
  assert.equal(item?.querySelector("b"), null, "names are text");
  assert.match(item?.querySelector(".join-time")?.textContent ?? "", /^Joined: .*30/);
  assert.deepEqual(details, [{ sessionId: SESSION, status: connection_status }]);
  assert.ok(isWaiting(details[0]!.status), "the customer waits for an agent");
});

test("a page without those elements hears the event all the same", (t) => {
  const { window, newest } = newMonitor(t);
  window.document.body.innerHTML = "";
  let count = 0;
  window.document.addEventListener("connectionStatusUpdate", () => (count += 1));
  newest().say("connection_status_update", {
    session_id: SESSION,
    connection_status: statusOf({}),
  });
  assert.equal(count, 1);
});

// 000: acceptance 23
test("a type it does not know is logged and ignored", (t) => {
  const { monitor, newest } = newMonitor(t);
  const log = mock.method(console, "log", () => {});
  t.after(() => log.mock.restore());
  newest().say("something_new" as ServerFrame["type"], {});
  assert.deepEqual(log.mock.calls[0]?.arguments, ["Unknown message type:", "something_new"]);
  assert.equal(monitor.state.phase, "connecting");
});

// 000: acceptance 33, 34
test("five attempts, then it says so, goes on slowly and returns when looked at", (t) => {
  const { window, clock, monitor, sockets, newest } = newMonitor(t);
  const error = mock.method(console, "error", () => {});
  t.after(() => error.mock.restore());
  const waits: number[] = [];
  for (let attempt = 1; attempt <= 6; attempt += 1) {
    newest().end(1006);
    assert.equal(monitor.reconnectAttempts, attempt);
    if (monitor.state.phase !== "waiting") return assert.fail(monitor.state.phase);
    waits.push(monitor.state.retryAt - Date.now());
    if (attempt < 6) clock.tick(waits.at(-1)!);
  }
  assert.deepEqual(waits, [2000, 4000, 8000, 16_000, 32_000, 60_000]);
  assert.deepEqual(
    error.mock.calls.map(({ arguments: [text] }) => text),
    ["Max reconnection attempts reached"],
  );
  assert.equal(sockets.length, 6);
  setHidden(window, true);
  assert.equal(sockets.length, 6, "nobody looks");
  setHidden(window, false);
  assert.equal(sockets.length, 7);
  newest().onopen?.();
  newest().end(1006);
  assert.equal(monitor.reconnectAttempts, 1, "an open connection counts anew");
});

test("a monitor that was disconnected stays so, and a token goes along", (t) => {
  const { clock, monitor, sockets, newest } = newMonitor(t, { token: "a b" });
  assert.match(newest().url, /\?token=a\+b$/);
  newest().onopen?.();
  monitor.disconnect();
  clock.tick(600_000);
  assert.equal(sockets.length, 1);
  assert.ok(newest().isClosed);
});
