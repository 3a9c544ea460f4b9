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

/** By then both sides have waited for the other, on a busy machine too. */
const DEAD_MS_MAX = 10_000;

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
        await asking.settles();
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
  const comesBack = async (mode) => {
    const customer = await startConversation(server);
    const asking = await connect(t, proxy.origin, customer, { ...mode, ...SEED_SETTINGS });
    await asking.settles();
    return async () => {
      await endOf(asking);
      asking.forget();
      proxy.open();
      const startedAt = Date.now();
      await asking.ready();
      // 003: acceptance 235
      assert.ok(Date.now() - startedAt < 2000, `${mode.name}: ${Date.now() - startedAt} ms`);
    };
  };
  const all = await Promise.all(MODES.map(comesBack));
  proxy.cut();
  await Promise.all(all.map((isBack) => isBack()));
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

test("a line is dead when no ping is answered, and only then", { concurrency: true }, (t) => {
  const isNoticed = (mode, reasons) =>
    t.test(`${mode.name}: a dead line is noticed by both sides`, async (one) => {
      const server = await startClosedServer(one, FAST_PINGS);
      const proxy = await startProxy(one, server);
      const customer = await startConversation(server);
      const asking = await connect(one, proxy.origin, customer, mode);
      await asking.joins(customer.conversation);
      const answering = await connect(one, server.origin, agent());
      await answering.joins(customer.conversation);
      proxy.stall();
      // 003: acceptance 223
      assert.equal(await endOf(asking, DEAD_MS_MAX), "ping timeout");
      const isEnd = (told) => told.disconnect_reason;
      const left = await answering.hears("connection_status_update", isEnd, DEAD_MS_MAX);
      assert.equal(left.event_user_id, customer.userId);
      assert.ok(reasons.includes(left.disconnect_reason), left.disconnect_reason);
    });
  const isKept = (mode) =>
    t.test(`${mode.name}: a silent client is kept while it answers`, async (one) => {
      const server = await startClosedServer(one, FAST_PINGS);
      const silent = await connect(one, server.origin, await startConversation(server), mode);
      for (let pings = 0; pings < 4; pings += 1) {
        await new Promise((resolve) => silent.socket.io.once("ping", resolve));
      }
      assert.deepEqual(silent.all("disconnect"), []);
    });
  return Promise.all([
    isNoticed(WEBSOCKET, ["heartbeat_timeout"]),
    // It answers no ping and opens no poll: both are over at the same time.
    isNoticed(POLLING, ["heartbeat_timeout", "network_error"]),
    ...MODES.map(isKept),
  ]);
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

test("long-polling only: a goodbye is not overtaken by the end of the transport", async (t) => {
  const server = await startClosedServer(t);
  // The client reads a payload's packets one turn later, but its close at once: what shares a
  // payload with the close is told too late, or never.
  for (let round = 0; round < 10; round += 1) {
    const asking = new Peer(t, server.origin, {}, POLLING);
    await asking.hears("connect");
    asking.socket.emit("authenticate", { token: "garbage" });
    await asking.hears("disconnect", (reason) => reason === "io server disconnect");
    const told = asking.heard.map(({ event, args }) => [event, args[0]?.code ?? args[0]]);
    assert.deepEqual(told, [
      ["connect", undefined],
      ["error", "unauthorized"],
      ["disconnect", "io server disconnect"],
    ]);
  }
});

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
