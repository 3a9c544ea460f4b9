/**
 * How connections end, and how an unmodified client comes back by itself: with the settings of
 * document 003's example, against a server that restarts.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startProxy } from "./proxy.mjs";
import {
  agent,
  connect,
  meet,
  MODES,
  Peer,
  POLLING,
  startClosedServer,
  startConversation,
  WEBSOCKET,
} from "./socketio.mjs";

// 003: acceptance 226
const SEED_SETTINGS = {
  reconnection: true,
  reconnectionDelay: 1000,
  reconnectionDelayMax: 5000,
  reconnectionAttempts: 5,
  randomizationFactor: 0.5,
};

/** Short enough that a dead line shows soon. */
const FAST_PINGS = {
  SWITCHBOARD__SOCKETIO__PING_INTERVAL: "1s",
  SWITCHBOARD__SOCKETIO__PING_TIMEOUT: "2s",
};

/** Waits for the end of the connection, and says why it ended. */
const endOf = (peer, withinMs) => peer.hears("disconnect", () => true, withinMs);

for (const [how, end] of [
  ["restarted", (server) => server.stop()],
  ["killed and started again", (server) => server.kill()],
]) {
  test(`the server is ${how}: a client with 003's settings comes back on every transport`, async (t) => {
    const server = await startClosedServer(t);
    const comeBack = await Promise.all(
      MODES.map(async (mode) => {
        const customer = await startConversation(server);
        const asking = await connect(t, server.origin, customer, { ...mode, ...SEED_SETTINGS });
        await asking.joins(customer.conversation);
        const attempts = [];
        asking.socket.io.on("reconnect_attempt", (attempt) => attempts.push(attempt));
        const reconnected = new Promise((resolve) => asking.socket.io.on("reconnect", resolve));
        asking.forget();
        return async () => {
          // 003: acceptance 172, 227
          const attempt = await reconnected;
          await asking.ready();
          assert.deepEqual(
            attempts,
            Array.from({ length: attempt }, (_, place) => place + 1),
          );
          assert.ok(attempt <= 5, mode.name);
          // What 003's clients do then; whoever was recovered is in the room already.
          await asking.joins(customer.conversation);
          await asking.says(customer.conversation, "back");
          await asking.hears("message_received");
          assert.deepEqual(asking.texts(), ["back"], mode.name);
        };
      }),
    );
    await end(server);
    await server.next();
    await Promise.all(comeBack.map((isBack) => isBack()));
  });
}

test("after a cut a client with 003's settings is back within two seconds", async (t) => {
  const server = await startClosedServer(t);
  const proxy = await startProxy(t, server);
  for (const mode of MODES) {
    const customer = await startConversation(server);
    const asking = await connect(t, proxy.origin, customer, { ...mode, ...SEED_SETTINGS });
    asking.forget();
    proxy.cut();
    await endOf(asking);
    proxy.open();
    const startedAt = Date.now();
    await asking.ready();
    // 003: acceptance 235
    assert.ok(Date.now() - startedAt < 2000, `${mode.name}: ${Date.now() - startedAt} ms`);
    asking.socket.disconnect();
  }
});

test("what is emitted while the line is broken arrives after the reconnection", async (t) => {
  const server = await startClosedServer(t);
  const proxy = await startProxy(t, server);
  const customer = await startConversation(server);
  const asking = await connect(t, proxy.origin, customer);
  await asking.joins(customer.conversation);
  proxy.cut();
  await endOf(asking);
  // 003: acceptance 265
  const acks = ["one", "two"].map((text) => asking.says(customer.conversation, text));
  proxy.open();
  assert.deepEqual(
    (await Promise.all(acks)).map(({ seq }) => seq),
    [1, 2],
  );
});

for (const mode of MODES) {
  test(`${mode.name}: disconnect and connect again by hand`, async (t) => {
    const server = await startClosedServer(t);
    const { asking, answering, customer } = await meet(t, server, mode);
    asking.socket.disconnect();
    // 003: acceptance 222, 249
    assert.equal(await endOf(asking), "io client disconnect");
    const isOfAsking = ({ event_type, event_user_id }) =>
      event_type === "user_disconnected" && event_user_id === customer.userId;
    const { disconnect_reason } = await answering.hears("connection_status_update", isOfAsking);
    assert.equal(disconnect_reason, "client_close");
    asking.forget();
    asking.socket.connect();
    assert.equal((await asking.ready()).userId, customer.userId);
  });

  test(`${mode.name}: a client that is put out by the server stays out`, async (t) => {
    const server = await startClosedServer(t);
    const asking = new Peer(t, server.origin, {}, mode);
    await asking.hears("connect");
    asking.socket.emit("authenticate", { sessionId: crypto.randomUUID() });
    // 003: acceptance 213, 221
    assert.equal(await endOf(asking), "io server disconnect");
    assert.equal(asking.socket.active, false, "it would have to be told to come back");
  });
}

for (const [mode, reasons] of [
  [WEBSOCKET, ["heartbeat_timeout"]],
  // It answers no ping and opens no poll: both are over at the same time.
  [POLLING, ["heartbeat_timeout", "network_error"]],
]) {
  test(`${mode.name}: a dead line is noticed by both sides`, async (t) => {
    const server = await startClosedServer(t, FAST_PINGS);
    const proxy = await startProxy(t, server);
    const customer = await startConversation(server);
    const asking = await connect(t, proxy.origin, customer, mode);
    await asking.joins(customer.conversation);
    const answering = await connect(t, server.origin, agent());
    await answering.joins(customer.conversation);
    proxy.stall();
    const left = answering.hears("connection_status_update", (told) => told.disconnect_reason);
    // 003: acceptance 223
    assert.equal(await endOf(asking), "ping timeout");
    const { event_user_id, disconnect_reason } = await left;
    assert.equal(event_user_id, customer.userId);
    assert.ok(reasons.includes(disconnect_reason), disconnect_reason);
  });
}

test("a silent client is kept as long as it answers pings", async (t) => {
  const server = await startClosedServer(t, FAST_PINGS);
  const peers = await Promise.all(
    MODES.map(async (mode) => connect(t, server.origin, await startConversation(server), mode)),
  );
  await Promise.all(
    peers.map(async ({ socket }) => {
      for (let pings = 0; pings < 3; pings += 1) {
        await new Promise((resolve) => socket.io.once("ping", resolve));
      }
    }),
  );
  for (const peer of peers) assert.deepEqual(peer.all("disconnect"), []);
});

for (const [what, mode, end, reason] of [
  // 003: acceptance 224
  ["a broken WebSocket", WEBSOCKET, ({ proxy }) => proxy.cut(), "transport close"],
  ["a drained WebSocket", WEBSOCKET, ({ server }) => server.stop(), "transport close"],
  ["a killed server's WebSocket", WEBSOCKET, ({ server }) => server.kill(), "transport close"],
  // 003: acceptance 225
  ["a poll that breaks", POLLING, ({ proxy }) => proxy.cut(), "transport error"],
  ["a killed server's poll", POLLING, ({ server }) => server.kill(), "transport error"],
]) {
  test(`${what} ends as "${reason}", and the client tries again`, async (t) => {
    const server = await startClosedServer(t);
    const proxy = await startProxy(t, server);
    const asking = await connect(t, proxy.origin, await startConversation(server), mode);
    await end({ server, proxy });
    assert.equal(await endOf(asking), reason);
    assert.equal(asking.socket.active, true);
  });
}

test("a drain does not wait for a long-polling client that is between two polls", async (t) => {
  const server = await startClosedServer(t);
  const { sessionId } = await startConversation(server);
  const url = `${server.origin}/socket.io/?EIO=4&transport=polling`;
  const opened = await (await fetch(url)).text();
  const { sid } = JSON.parse(opened.slice(1));
  const body = `40${JSON.stringify({ sessionId })}`;
  const entered = await fetch(`${url}&sid=${sid}`, { method: "POST", body });
  assert.equal(await entered.text(), "ok");
  assert.match(await (await fetch(`${url}&sid=${sid}`)).text(), /^40\{.*authenticated/);
  const startedAt = Date.now();
  await server.stop();
  const tookMs = Date.now() - startedAt;
  assert.doesNotMatch(server.output.text, /the drain took too long/);
  assert.ok(tookMs < 3000, `the drain took ${tookMs} ms`);
});
