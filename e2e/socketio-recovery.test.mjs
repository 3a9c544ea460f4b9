/**
 * Connection state recovery as `socket.io-client` does it by itself: it shows the `pid` it was
 * given and the last offset it saw, and counts as recovered when the same `pid` comes back.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startProxy } from "./proxy.mjs";
import { pause } from "./server.mjs";
import { agent, connect, MODES, POLLING, sign, startClosedServer, startConversation, WEBSOCKET } from "./socketio.mjs";

/** A customer on a line that can be cut, and an agent who is there all the time. */
async function onALine(t, { mode = WEBSOCKET, env, auth } = {}) {
  const server = await startClosedServer(t, env);
  const proxy = await startProxy(t, server);
  const customer = await startConversation(server);
  const { conversation } = customer;
  const asking = await connect(t, proxy.origin, auth?.(customer) ?? customer, mode);
  const dewi = agent();
  const answering = await connect(t, server.origin, dewi);
  await asking.joins(conversation);
  await answering.joins(conversation);
  return { server, proxy, customer, conversation, asking, answering, dewi };
}

/** Says something, and waits until the customer's client knows from where to go on. */
async function saysBefore({ asking, answering, conversation }, text) {
  await answering.says(conversation, text);
  await asking.hears("message_received", ({ content }) => content === text);
  await asking.hears("cursor", () => asking.heard.at(-1).event === "cursor");
}

/** Waits until the client is back, and forgets nothing it heard since. */
async function comesBack(peer) {
  await peer.hears("connect");
  return peer.hears("authenticated");
}

/** It came back where it was, with these messages and no other, and hears what follows. */
async function isRecovered(line, missed) {
  const { asking, answering, conversation } = line;
  await comesBack(asking);
  assert.equal(asking.socket.recovered, true);
  await line.answering.says(conversation, "live again");
  await asking.hears("message_received", ({ content }) => content === "live again");
  assert.deepEqual(asking.texts(), [...missed, "live again"]);
  const ids = asking.all("message_received").map(({ messageId }) => messageId);
  assert.equal(new Set(ids).size, ids.length, "none is doubled");
  assert.deepEqual(asking.all("resync"), []);
  asking.socket.emit("typing_start");
  await answering.hears("typing_indicator", ({ isTyping }) => isTyping);
}

/** It came back with nothing, and was told why. */
async function isResynced({ asking, answering, conversation }, reason) {
  await comesBack(asking);
  assert.equal(asking.socket.recovered, false);
  assert.equal((await asking.hears("resync")).reason, reason);
  await answering.says(conversation, "into a room it is not in");
  await answering.hears("message_received", ({ content }) => content.startsWith("into"));
  const ack = await asking.asks("typing_start");
  assert.deepEqual([ack.success, ack.code], [false, "invalid"], "it is in no conversation");
  assert.deepEqual(asking.texts(), []);
}

const CUTS = {
  "the client closes its transport": ({ asking, proxy }) => {
    proxy.cut();
    asking.socket.io.engine.close();
  },
  "the line breaks without a close frame": ({ proxy }) => proxy.cut(),
  "the line breaks and only the client knows": ({ proxy }) => proxy.cutNear(),
};

for (const mode of MODES) {
  for (const [how, cut] of Object.entries(CUTS)) {
    test(`${mode.name}: ${how}, and all that was missed comes back`, async (t) => {
      const line = await onALine(t, { mode });
      const { asking, answering, conversation, proxy } = line;
      await saysBefore(line, "before");
      asking.forget();
      cut(line);
      await asking.hears("disconnect");
      const missed = ["missed 1", "missed 2", "missed 3"];
      for (const text of missed) await answering.says(conversation, text);
      asking.forget();
      proxy.open();
      await isRecovered(line, missed);
    });
  }
}

test("more than a page of the log is missed, and comes back whole and in order", async (t) => {
  const unlimited = { SWITCHBOARD__LIMITS__MESSAGES_PER_MINUTE: "0" };
  const line = await onALine(t, { env: unlimited });
  await saysBefore(line, "before");
  line.asking.forget();
  line.proxy.cut();
  const missed = Array.from({ length: 600 }, (_, place) => `missed ${place + 1}`);
  await Promise.all(missed.map((text) => line.answering.says(line.conversation, text)));
  line.proxy.open();
  await isRecovered(line, missed);
});

test("a client that is cut again and again misses and doubles nothing", async (t) => {
  const line = await onALine(t);
  const { asking, answering, conversation, proxy } = line;
  const texts = [];
  for (let round = 0; round < 5; round += 1) {
    for (const part of ["live", "missed"]) {
      texts.push(`${part} ${round}`);
      await answering.says(conversation, texts.at(-1));
      if (part === "live") {
        await asking.hears("message_received", ({ content }) => content === texts.at(-1));
        proxy.cut();
        await asking.hears("disconnect");
      }
    }
    asking.heard = asking.heard.filter(({ event }) => event === "message_received");
    proxy.open();
    await comesBack(asking);
    assert.equal(asking.socket.recovered, true);
    await asking.hears("message_received", ({ content }) => content === texts.at(-1));
  }
  const byId = new Map(asking.all("message_received").map((said) => [said.messageId, said.content]));
  assert.deepEqual([...byId.values()], texts);
});

for (const mode of [WEBSOCKET, POLLING]) {
  test(`${mode.name}: messages keep coming while the line breaks, and none is missed`, async (t) => {
    const unlimited = { SWITCHBOARD__LIMITS__MESSAGES_PER_MINUTE: "0" };
    const line = await onALine(t, { mode, env: unlimited });
    const { asking, answering, conversation, proxy } = line;
    await saysBefore(line, "before");
    let rounds = 0;
    const breaking = (async () => {
      for (; rounds < 6; rounds += 1) {
        const hadConnected = asking.all("connect").length;
        proxy.cut();
        await asking.hears("disconnect", () => asking.all("disconnect").length > rounds);
        proxy.open();
        await asking.hears("authenticated", () => asking.all("connect").length > hadConnected);
        assert.equal(asking.socket.recovered, true);
      }
    })();
    let last;
    while (rounds < 6) last = await answering.says(conversation, "on and on");
    await breaking;
    await asking.hears("message_received", ({ seq }) => seq === last.seq);
    // What was told again was told before: by its id it is known.
    const byId = new Map(asking.all("message_received").map((said) => [said.messageId, said.seq]));
    const numbers = Array.from({ length: last.seq }, (_, place) => place + 1);
    assert.deepEqual([...byId.values()], numbers);
    assert.ok(last.seq > 20, `only ${last.seq} messages were said`);
  });
}

test("a message whose acknowledgement was lost is sent again and stored once", async (t) => {
  const line = await onALine(t);
  const { asking, answering, conversation, proxy } = line;
  await saysBefore(line, "before");
  proxy.stallDown();
  const said = { conversationId: conversation, content: "heard?", clientId: "c-1" };
  const lost = asking.socket.timeout(300).emitWithAck("send_message", said);
  const heard = await answering.hears("message_received", ({ clientId }) => clientId === "c-1");
  await assert.rejects(lost, /timed out/);
  asking.forget();
  proxy.cut();
  await asking.hears("disconnect");
  proxy.open();
  await comesBack(asking);
  const again = await asking.does("send_message", said);
  assert.equal(again.messageId, heard.messageId);
  await answering.says(conversation, "yes");
  await answering.hears("message_received", ({ content }) => content === "yes");
  assert.deepEqual(answering.texts(), ["before", "heard?", "yes"]);
  await asking.hears("message_received", ({ content }) => content === "yes");
  assert.deepEqual(asking.texts(), ["heard?", "yes"], "it was missed by its sender, too");
});

test("every room comes back, and the one that was left does not", async (t) => {
  const server = await startClosedServer(t);
  const proxy = await startProxy(t, server);
  const admin = agent({ role: "admin" });
  const watching = await connect(t, proxy.origin, admin);
  const customers = await Promise.all([1, 2, 3].map(() => startConversation(server)));
  const asking = await Promise.all(customers.map((one) => connect(t, server.origin, one)));
  for (const { conversation } of customers) await watching.joins(conversation);
  await watching.does("leave_conversation", customers[1].conversation);
  watching.forget();
  proxy.cut();
  await watching.hears("disconnect");
  for (const [place, peer] of asking.entries()) {
    await peer.says(customers[place].conversation, `missed in ${place}`);
  }
  watching.forget();
  proxy.open();
  await comesBack(watching);
  assert.equal(watching.socket.recovered, true);
  for (const [place, peer] of asking.entries()) {
    await peer.says(customers[place].conversation, `live in ${place}`);
  }
  await watching.hears("message_received", ({ content }) => content === "live in 2");
  const expected = ["missed in 0", "missed in 2", "live in 0", "live in 2"];
  assert.deepEqual(watching.texts(), expected);
});

for (const [how, end] of [
  ["killed", (server) => server.kill()],
  ["restarted", (server) => server.stop()],
]) {
  for (const mode of [WEBSOCKET, POLLING]) {
    test(`${mode.name}: the server is ${how}, and what was said meanwhile comes back`, async (t) => {
      const line = await onALine(t, { mode });
      await saysBefore(line, "before");
      line.answering.forget();
      line.asking.forget();
      // Nobody may be faster than those who speak meanwhile.
      line.proxy.cut();
      await end(line.server);
      await line.server.next();
      await comesBack(line.answering);
      assert.equal(line.answering.socket.recovered, true);
      const missed = ["after the end 1", "after the end 2"];
      for (const text of missed) await line.answering.says(line.conversation, text);
      await line.asking.hears("disconnect");
      line.asking.forget();
      line.proxy.open();
      await isRecovered(line, missed);
    });
  }
}

test("another user's pid gives nothing away", async (t) => {
  const line = await onALine(t);
  const { asking, server, proxy } = line;
  await saysBefore(line, "before");
  asking.forget();
  proxy.cut();
  await asking.hears("disconnect");
  const { sessionId } = await startConversation(server);
  asking.socket.auth = { sessionId };
  asking.forget();
  proxy.open();
  await isResynced(line, "unknown_recovery");
});

test("another tenant's user gets nothing for a pid either", async (t) => {
  const line = await onALine(t);
  await saysBefore(line, "before");
  line.asking.forget();
  line.proxy.cut();
  await line.asking.hears("disconnect");
  const token = sign({ sub: line.customer.userId, role: "customer", tenant: "acme" });
  line.asking.socket.auth = { token };
  line.asking.forget();
  line.proxy.open();
  await isResynced(line, "unknown_cursor");
});

for (const [what, changed, reason] of [
  ["a pid that was never given", { pid: crypto.randomUUID().replaceAll("-", "") }, "unknown_recovery"],
  ["a pid that is garbage", { pid: "42[\"x\"]" }, "unknown_recovery"],
  ["an offset that is garbage", { offset: "no cursor" }, "unknown_cursor"],
  ["an offset of digits only", { offset: "1" }, "unknown_cursor"],
  ["an offset of another log", { offset: "L00000000-1" }, "unknown_cursor"],
  ["an offset that is still to come", { pid: undefined, offset: undefined }, "unknown_cursor"],
]) {
  test(`${what} is answered by a resync, and by no room`, async (t) => {
    const line = await onALine(t);
    const { asking, customer, proxy } = line;
    await saysBefore(line, "before");
    const { sessionId } = customer;
    const isAhead = "offset" in changed && changed.offset === undefined;
    const offset = asking.all("cursor").at(-1).replace(/-\d+$/, "-999999");
    asking.socket.auth = { sessionId, ...(isAhead ? { offset } : changed) };
    asking.forget();
    proxy.cut();
    await asking.hears("disconnect");
    asking.forget();
    proxy.open();
    await isResynced(line, reason);
  });
}

test("after a resync the client can be recovered again", async (t) => {
  const line = await onALine(t);
  const { asking, answering, customer, conversation, proxy } = line;
  await saysBefore(line, "before");
  const { sessionId } = customer;
  asking.socket.auth = { sessionId, pid: "garbage" };
  asking.forget();
  proxy.cut();
  await asking.hears("disconnect");
  proxy.open();
  await asking.hears("resync");
  asking.socket.auth = { sessionId };
  await asking.joins(conversation);
  await saysBefore(line, "in between");
  asking.forget();
  proxy.cut();
  await asking.hears("disconnect");
  await answering.says(conversation, "missed");
  asking.forget();
  proxy.open();
  await isRecovered(line, ["missed"]);
});

/** Cut for longer than the server promises to remember. */
async function awayTooLong(t, { auth = {} } = {}) {
  const line = await onALine(t, { env: { SWITCHBOARD__SERVER__RECOVERY_WINDOW: "1s" } });
  const { asking, answering, conversation, customer, proxy } = line;
  await saysBefore(line, "before");
  const after = asking.all("cursor").at(-1);
  proxy.cut();
  await asking.hears("disconnect");
  await answering.says(conversation, "missed");
  await pause(1300);
  asking.socket.auth = { sessionId: customer.sessionId, ...(auth.after ? { after } : {}) };
  asking.forget();
  proxy.open();
  return line;
}

test("a client that stays away too long starts anew, and is told so", async (t) => {
  await isResynced(await awayTooLong(t), "recovery_expired");
});

test("a client that stays away too long but names its cursor is taken up again", async (t) => {
  await isRecovered(await awayTooLong(t, { auth: { after: true } }), ["missed"]);
});

test("a cursor older than what is kept is answered by a resync, never by a gap", async (t) => {
  const line = await onALine(t);
  const { asking, answering, conversation, customer, proxy, server } = line;
  await saysBefore(line, "before");
  const after = asking.all("cursor").at(-1);
  proxy.cut();
  await asking.hears("disconnect");
  await answering.says(conversation, "soon forgotten");
  answering.forget();
  await server.stop();
  await pause(1100);
  // What is past its retention goes when the server starts.
  const next = await server.next({ SWITCHBOARD__RETENTION__MESSAGES: "1s" });
  await comesBack(answering);
  await answering.joins(conversation);
  asking.socket.auth = { sessionId: customer.sessionId, after };
  asking.forget();
  proxy.open();
  await isResynced(line, "cursor_expired");
  assert.match(next.output.text, /deleted events past their retention/);
});

test("with a cursor but no pid, joining tells what happened since", async (t) => {
  const { server, asking, answering, conversation, customer } = await onALine(t);
  await answering.says(conversation, "read");
  await asking.hears("message_received");
  await asking.hears("cursor", () => asking.heard.at(-1).event === "cursor");
  const after = asking.all("cursor").at(-1);
  asking.socket.disconnect();
  const missed = ["missed 1", "missed 2"];
  for (const text of missed) await answering.says(conversation, text);
  const { sessionId } = customer;
  const later = await connect(t, server.origin, { sessionId, after });
  assert.equal(later.socket.recovered, false);
  await answering.says(conversation, "missed before the join");
  assert.deepEqual(later.texts(), []);
  await later.joins(conversation);
  await answering.says(conversation, "live");
  await later.hears("message_received", ({ content }) => content === "live");
  assert.deepEqual(later.texts(), [...missed, "missed before the join", "live"]);
  assert.deepEqual(later.all("resync"), []);
});

test("a cursor nobody knows, without a pid, is answered by a resync", async (t) => {
  const { server, customer } = await onALine(t);
  const { sessionId } = customer;
  const later = await connect(t, server.origin, { sessionId, after: "L00000000-7" });
  assert.equal((await later.hears("resync")).reason, "unknown_cursor");
});
