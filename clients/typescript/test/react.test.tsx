/**
 * The React parts, in React itself; the same file is run on Preact's `compat` as well, see
 * `vite.test.config.ts`.
 */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { version, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { SessionStatusMonitor, useConnectionStatus } from "../src/react/index.ts";
import { newClock } from "./clock.ts";
import { newDom } from "./dom.ts";
import { eventually, settle, tokenOf } from "./double.ts";
import { FakeSocket, SESSION } from "./fake-socket.ts";
import { newHttpDouble, statusOf, type Answered } from "./http-double.ts";

/** Preact cleans up after the next frame, for which it waits this long where there are none. */
const AFTER_PAINT_MS = 200;

const OTHER = "660e8400-e29b-41d4-a716-446655440000";

/** A root to render into, and what it shows. */
function newRoot(t: TestContext) {
  let isMounted = false;
  const unmount = () => {
    if (isMounted) root.unmount();
    isMounted = false;
  };
  // Hooks run in the order of their registration, and work that is left needs its document.
  t.after(async () => {
    unmount();
    await settle();
  });
  const window = newDom(t, `<main id="root"></main>`);
  const element = document.getElementById("root")!;
  const root = createRoot(element);
  const shows = (text: string) =>
    eventually(() => element.textContent?.includes(text), `"${text}", not "${element.innerHTML}"`);
  const render = (node: ReactNode) => {
    isMounted = true;
    root.render(node);
  };
  return { window, element, shows, unmount, render };
}

test(`this is React ${version}`, () => {
  assert.ok(Number.parseInt(version, 10) >= 18);
});

// 000: acceptance 28, 31
test("the monitor goes from loading to data to an error and back, every five seconds", async (t) => {
  const answers: Answered[] = [];
  const data = statusOf({ user_123: "customer" });
  const good = { body: { success: true, message: "ok", data } };
  const { url, asked } = await newHttpDouble(t, () => answers.shift() ?? good);
  const { element, shows, render, unmount } = newRoot(t);
  const clock = newClock(t);
  render(<SessionStatusMonitor sessionId={SESSION} baseURL={url} token="t1" />);
  await shows("Loading...");
  await shows(`Session ${SESSION}`);
  const items = [...element.querySelectorAll(".status-item")];
  assert.deepEqual(
    items.map(({ className, textContent }) => [className, textContent]),
    [
      ["status-item online", "Customers: 1"],
      ["status-item offline", "Agents: 0"],
    ],
  );
  assert.equal(element.querySelector(".user-item .user-type.customer")?.textContent, "customer");
  assert.equal(asked[0]?.authorization, "Bearer t1");

  answers.push({
    status: 500,
    body: { success: false, message: "Failed to get connection status" },
  });
  clock.tick(5000);
  await shows("Error: Failed to get connection status");
  assert.equal(element.querySelector(".error") !== null, true);
  clock.tick(5000);
  await shows("Customers: 1");

  const count = asked.length;
  unmount();
  await settle(AFTER_PAINT_MS);
  clock.tick(60_000);
  await settle();
  assert.equal(asked.length, count, "nobody asks after the component is gone");
});

test("a server that cannot be reached is an error", async (t) => {
  const { shows, render } = newRoot(t);
  render(<SessionStatusMonitor sessionId={SESSION} baseURL="http://127.0.0.1:1" />);
  await shows("Error: Failed to fetch status");
});

function newSockets() {
  const sockets: FakeSocket[] = [];
  const openSocket = (url: string) => {
    sockets.push(new FakeSocket(url));
    return sockets.at(-1)!;
  };
  return { sockets, openSocket };
}

// 002: acceptance 155
test("the hook tells who is here and who came last, and closes its socket on unmount", async (t) => {
  const { sockets, openSocket } = newSockets();
  const { shows, render, unmount } = newRoot(t);
  const clock = newClock(t);
  const token = tokenOf("456");
  function Watch({ sessionId }: { sessionId: string }) {
    const { status, lastEvent } = useConnectionStatus(sessionId, {
      wsURL: "ws://here:8081",
      token,
      openSocket,
    });
    return <p>{JSON.stringify({ total: status?.total_customer ?? null, lastEvent })}</p>;
  }
  render(<Watch sessionId={SESSION} />);
  await shows('{"total":null,"lastEvent":null}');
  await eventually(() => sockets.length === 1, "the socket");
  assert.ok(sockets[0]!.url.startsWith(`ws://here:8081/ws/${SESSION}/admin_456/admin?token=`));
  sockets[0]!.welcome();
  const timestamp = "2025-01-24T10:30:00Z";
  const connection_status = statusOf({ customer_123: "customer" });
  const told = { session_id: SESSION, connection_status, timestamp };
  sockets[0]!.say("connection_status_update", told);
  await shows('{"total":1,"lastEvent":null}');
  sockets[0]!.say("connection_status_update", {
    ...told,
    connection_status: statusOf({}),
    event_type: "user_disconnected",
    event_user_id: "customer_123",
  });
  const lastEvent = { type: "user_disconnected", userId: "customer_123", timestamp };
  await shows(JSON.stringify({ total: 0, lastEvent }));

  render(<Watch sessionId={OTHER} />);
  await eventually(() => sockets.length === 2, "the other session's socket");
  assert.ok(sockets[0]!.isClosed);
  await shows('{"total":null,"lastEvent":null}');
  unmount();
  await eventually(() => sockets[1]!.isClosed, "the end of the second socket");
  clock.tick(600_000);
  assert.equal(sockets.length, 2, "nothing comes back after the component is gone");
});
