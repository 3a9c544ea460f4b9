/**
 * What the clients of the first protocol description do, in our own words: a dashboard that polls
 * over REST, a monitor that listens on a socket and returns by itself, an admin who wants to know
 * who came and who went. No token anywhere: the demo server keeps its sessions open.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import WebSocket from "ws";
import { eventually, pause, startServer } from "./server.mjs";

const RFC3339_SECONDS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

/** A socket at `/ws/{session}/{user}/{type}` that keeps every frame it hears. */
async function join({ sockets }, session, user, type) {
  const socket = new WebSocket(`${sockets}/ws/${session}/${user}/${type}`);
  const frames = [];
  socket.on("message", (text) => frames.push(JSON.parse(text)));
  await once(socket, "open");
  const client = {
    socket,
    frames,
    send: (kind, data) => socket.send(JSON.stringify({ type: kind, data })),
    /** Every status frame so far that names an event. */
    events: () =>
      frames
        .filter((frame) => frame.type === "connection_status_update" && frame.data.event_type)
        .map(({ data }) => [data.event_type, data.event_user_id]),
    /** Waits for a frame of this type that fits. */
    hears: (kind, fits = () => true) =>
      eventually(() => frames.find((frame) => frame.type === kind && fits(frame.data)), {
        withinMs: 5000,
        what: `${user} to hear ${kind}`,
      }),
    async leave() {
      socket.close();
      await once(socket, "close");
    },
  };
  await client.hears("connection_established");
  return client;
}

/** The status code with which the server declines to open a socket. */
async function refusal({ sockets }, path) {
  const socket = new WebSocket(sockets + path);
  socket.on("error", () => {});
  const [, response] = await once(socket, "unexpected-response");
  const chunks = [];
  for await (const chunk of response) chunks.push(chunk);
  return { status: response.statusCode, body: JSON.parse(Buffer.concat(chunks)) };
}

async function sessionStatus({ origin }, session) {
  const response = await fetch(`${origin}/api/session/${session}/connection-status`);
  return { status: response.status, body: await response.json() };
}

const newId = () => crypto.randomUUID();

test("the dashboard polls a session nobody is in, and one with a customer and an agent", async (t) => {
  const server = await startServer(t);
  const session = newId();
  const nobody = await sessionStatus(server, session);
  assert.equal(nobody.status, 200);
  assert.deepEqual(nobody.body, {
    success: true,
    message: "Connection status retrieved successfully",
    data: {
      users: {},
      customer_connected: false,
      agent_connected: false,
      total_customer: 0,
      total_agent: 0,
    },
  });
  await join(server, session, "customer_123", "customer");
  await join(server, session, "agent_456", "agent");
  const { data } = (await sessionStatus(server, session)).body;
  assert.equal(data.customer_connected, true);
  assert.equal(data.agent_connected, true);
  assert.equal(data.total_customer, 1);
  assert.equal(data.total_agent, 1);
  assert.deepEqual(Object.keys(data.users).sort(), ["agent_456", "customer_123"]);
  const { user_id, user_type, joined_at } = data.users.customer_123;
  assert.deepEqual([user_id, user_type], ["customer_123", "customer"]);
  assert.match(joined_at, RFC3339_SECONDS);
});

test("an id that is no UUID is declined in the agreed words, by REST and by socket", async (t) => {
  const server = await startServer(t);
  const { status, body } = await sessionStatus(server, "session_123");
  assert.equal(status, 400);
  assert.equal(body.success, false);
  assert.equal(body.message, "Invalid session ID");
  assert.equal(body.error, "invalid UUID format");
  const socket = await refusal(server, "/ws/session_123/admin_456/admin");
  assert.equal(socket.status, 400);
  assert.equal(socket.body.message, "Invalid session ID");
  const stranger = await refusal(server, `/ws/${newId()}/someone/visitor`);
  assert.equal(stranger.status, 400);
});

test("the first frame greets, the next says who is here", async (t) => {
  const server = await startServer(t);
  const session = newId();
  const customer = await join(server, session, "customer_123", "customer");
  const [first] = customer.frames;
  assert.equal(first.type, "connection_established");
  assert.equal(first.data.session_id, session);
  assert.equal(first.data.user_id, "customer_123");
  assert.equal(first.data.user_type, "customer");
  const { data } = await customer.hears("connection_status_update");
  assert.equal(data.session_id, session);
  assert.match(data.timestamp, RFC3339_SECONDS);
  assert.equal(data.connection_status.customer_connected, true);
  assert.equal(data.connection_status.agent_connected, false);
});

test("an admin sees a customer come and go, once each, with the state after the event", async (t) => {
  const server = await startServer(t);
  const session = newId();
  const admin = await join(server, session, "admin_456", "admin");
  const customer = await join(server, session, "customer_123", "customer");
  const came = await admin.hears(
    "connection_status_update",
    (data) => data.event_user_id === "customer_123",
  );
  assert.equal(came.data.event_type, "user_connected");
  assert.equal(came.data.connection_status.total_customer, 1);
  assert.equal(came.data.connection_status.total_agent, 0, "an admin observes");
  assert.ok("admin_456" in came.data.connection_status.users);
  await customer.leave();
  const went = await admin.hears(
    "connection_status_update",
    (data) => data.event_type === "user_disconnected",
  );
  assert.equal(went.data.event_user_id, "customer_123");
  assert.equal(went.data.connection_status.customer_connected, false);
  assert.equal(went.data.connection_status.total_customer, 0);
  assert.equal("customer_123" in went.data.connection_status.users, false);
  await pause(300);
  assert.deepEqual(admin.events(), [
    ["user_connected", "admin_456"],
    ["user_connected", "customer_123"],
    ["user_disconnected", "customer_123"],
  ]);
});

test("a second window of the same user is no event", async (t) => {
  const server = await startServer(t);
  const session = newId();
  const agent = await join(server, session, "agent_456", "agent");
  const first = await join(server, session, "customer_123", "customer");
  const second = await join(server, session, "customer_123", "customer");
  const status = await second.hears("connection_status_update");
  assert.equal("event_type" in status.data, false);
  assert.equal("event_user_id" in status.data, false);
  assert.equal(status.data.connection_status.total_customer, 1);
  await first.leave();
  await pause(300);
  assert.deepEqual(agent.events().at(-1), ["user_connected", "customer_123"]);
  await second.leave();
  await eventually(() => agent.events().at(-1)[0] === "user_disconnected");
});

test("a line that breaks without goodbye is noticed too", async (t) => {
  const server = await startServer(t);
  const session = newId();
  const admin = await join(server, session, "admin_456", "admin");
  const customer = await join(server, session, "customer_123", "customer");
  customer.socket.terminate();
  const { data } = await admin.hears(
    "connection_status_update",
    ({ event_type }) => event_type === "user_disconnected",
  );
  assert.equal(data.disconnect_reason, "network_error");
});

test("typing reaches the others, and the server ends it after three seconds", async (t) => {
  const server = await startServer(t);
  const session = newId();
  const agent = await join(server, session, "agent_456", "agent");
  const customer = await join(server, session, "customer_123", "customer");
  customer.send("typing_indicator", { is_typing: true });
  const { data } = await agent.hears("typing_indicator");
  const startedAt = Date.now();
  assert.deepEqual(
    [data.session_id, data.user_id, data.user_type, data.is_typing],
    [session, "customer_123", "customer", true],
  );
  await agent.hears("typing_indicator", ({ is_typing }) => !is_typing);
  const lastedMs = Date.now() - startedAt;
  assert.ok(lastedMs > 2500 && lastedMs < 4000, `typing lasted ${lastedMs} ms`);
  assert.ok(!customer.frames.some(({ type }) => type === "typing_indicator"));
});

test("frames nobody knows are answered with an error, and the line stays", async (t) => {
  const server = await startServer(t);
  const customer = await join(server, newId(), "customer_123", "customer");
  customer.send("something_new", {});
  customer.socket.send("no json");
  await eventually(() => customer.frames.filter(({ type }) => type === "error").length === 2);
  customer.send("ping");
  await customer.hears("pong");
});

test("a monitor with doubling waits returns after a restart of the server", async (t) => {
  const server = await startServer(t);
  const session = newId();
  let attempts = 0;
  let opened = 0;
  let socket;
  const connect = () => {
    socket = new WebSocket(`${server.sockets}/ws/${session}/admin_456/admin`);
    socket.on("error", () => {});
    socket.on("open", () => {
      opened += 1;
      attempts = 0;
    });
    socket.on("close", () => {
      if (attempts >= 5) return;
      attempts += 1;
      setTimeout(connect, 2 ** attempts * 1000).unref();
    });
  };
  connect();
  await eventually(() => opened === 1);
  await server.stop();
  await server.next();
  await eventually(() => opened === 2, { withinMs: 20_000 });
  socket.removeAllListeners("close").terminate();
});

test("the health check answers on the same port", async (t) => {
  const { origin } = await startServer(t);
  const response = await fetch(`${origin}/health`);
  assert.equal(response.status, 200);
  const health = await response.json();
  assert.equal(health.status, "healthy");
  assert.equal(typeof health.websocket.connections, "number");
  assert.equal(typeof health.uptime_seconds, "number");
});
