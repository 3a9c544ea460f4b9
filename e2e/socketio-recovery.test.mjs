/**
 * Connection state recovery as `socket.io-client` does it by itself: it shows the `pid` it was
 * given and the last offset it saw, and counts as recovered when the same `pid` comes back.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { comesBack, isRecovered, onALine, saysBefore } from "./line.mjs";
import { startProxy } from "./proxy.mjs";
import {
  agent,
  connect,
  MODES,
  POLLING,
  startClosedServer,
  startConversation,
  WEBSOCKET,
  testInModes,
} from "./socketio.mjs";

const CUTS = {
  "the client closes its transport": ({ asking, proxy }) => {
    proxy.cut();
    asking.socket.io.engine.close();
  },
  "the line breaks without a close frame": ({ proxy }) => proxy.cut(),
  "the line breaks and only the client knows": ({ proxy }) => proxy.cutNear(),
};

for (const [how, cut] of Object.entries(CUTS)) {
  testInModes(`${how}, and all that was missed comes back`, MODES, async (t, mode) => {
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
  const byId = new Map(
    asking.all("message_received").map((said) => [said.messageId, said.content]),
  );
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
  const name = `the server is ${how}, and what was said meanwhile comes back`;
  testInModes(name, [WEBSOCKET, POLLING], async (t, mode) => {
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
