/** What one unmodified client may do to the server, and what the server does then. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, meet, MODES, Peer, startClosedServer, startConversation } from "./socketio.mjs";

const PER_MINUTE = 120;
/** Refusals in a row that end the connection; see the limits in the protocol's description. */
const REFUSALS_MAX = 100;

/** On long-polling the end may meet a request of the client that is on its way. */
const MAY_COME_BACK = /^transport (close|error)$/;

for (const mode of MODES) {
  test(`${mode.name}: a flood of messages is refused with a time to wait, then ended`, async (t) => {
    const server = await startClosedServer(t);
    const { conversation: conversationId, asking, answering } = await meet(t, server, mode);
    const flood = [];
    const say = (content) =>
      flood.push(asking.asks("send_message", { conversationId, content }).catch(() => "lost"));
    for (let count = 0; count < PER_MINUTE + 5; count += 1) say("buy now");
    const acks = await Promise.all(flood);
    // 003: acceptance 241
    assert.ok(
      acks.slice(0, PER_MINUTE).every(({ success }) => success),
      "within the limit",
    );
    const refused = acks.filter(({ success }) => !success);
    assert.ok(refused.length >= 1, "over the limit");
    for (const { code, retry_after: seconds } of refused) {
      assert.equal(code, "rate_limited");
      assert.ok(Number.isInteger(seconds) && seconds >= 1 && seconds <= 60, `wait ${seconds} s`);
    }
    assert.equal(asking.socket.connected, true, "not yet persistent");
    for (let count = 0; count < REFUSALS_MAX; count += 1) say("buy now!");
    // Close code 4029 lets a client come back, unlike those that the server puts out for good.
    assert.match(await asking.hears("disconnect"), MAY_COME_BACK);
    assert.equal(asking.socket.active, true);
    await answering.says(conversationId, "at last");
    const { seq } = await answering.hears(
      "message_received",
      ({ content }) => content === "at last",
    );
    assert.ok(seq <= PER_MINUTE + 2, `${seq} messages came through`);
  });

  test(`${mode.name}: a flood of typing is told as an error, then ended`, async (t) => {
    const server = await startClosedServer(t);
    const { conversation, asking, answering } = await meet(t, server, mode);
    for (let count = 0; count < PER_MINUTE + 5; count += 1) {
      asking.socket.emit(count % 2 ? "typing_stop" : "typing_start", conversation);
    }
    // 003: acceptance 242
    const { code, event, retry_after: seconds, message } = await asking.hears("error");
    assert.equal(code, "rate_limited");
    assert.match(event, /^typing_/);
    assert.ok(Number.isInteger(seconds) && seconds >= 1 && seconds <= 60, `wait ${seconds} s`);
    assert.ok(message.length > 3);
    await asking.says(conversation, "messages are counted apart");
    for (let count = 0; count < REFUSALS_MAX; count += 1) {
      asking.socket.emit("typing_start", conversation);
    }
    assert.match(await asking.hears("disconnect"), MAY_COME_BACK);
    await answering.says(conversation, "nobody else was slowed");
  });

  test(`${mode.name}: binary events are refused, and the socket lives`, async (t) => {
    const server = await startClosedServer(t);
    const { conversation: conversationId, asking } = await meet(t, server, mode);
    const bytes = Buffer.from([1, 2, 3]);
    for (const [event, argument] of [
      ["send_message", { conversationId, content: bytes }],
      ["join_conversation", bytes],
      ["upload", new Uint8Array(1000)],
    ]) {
      asking.forget();
      asking.socket.emit(event, argument);
      const error = await asking.hears("error");
      assert.equal(error.event, event);
      const ack = await asking.asks(event, argument);
      assert.equal(ack.success, false);
      assert.match(ack.error, /attachment|binary|unknown/);
    }
    await asking.says(conversationId, "still here");
  });

  test(`${mode.name}: what is far too large ends the connection and nobody else's`, async (t) => {
    const server = await startClosedServer(t);
    const { conversation: conversationId, asking, answering } = await meet(t, server, mode);
    await asking.settles();
    asking.socket.emit("send_message", { conversationId, content: "x".repeat(1024 * 1024) });
    const ends = { websocket: "io server disconnect", polling: "transport error" };
    assert.equal(await asking.hears("disconnect"), ends[mode.settlesOn]);
    await answering.says(conversationId, "what was that?");
    asking.forget();
    asking.socket.connect();
    await asking.ready();
    await asking.joins(conversationId);
    await asking.says(conversationId, "sorry");
  });

  test(`${mode.name}: the largest message is carried, with quotes and all`, async (t) => {
    const server = await startClosedServer(t);
    const { conversation, asking, answering } = await meet(t, server, mode);
    const content = '\\"'.repeat(8 * 1024);
    await asking.says(conversation, content);
    assert.equal((await answering.hears("message_received")).content, content);
  });
}

test("a user may hold fifty connections, and is told so at the next", async (t) => {
  const server = await startClosedServer(t);
  const customer = await startConversation(server);
  await Promise.all(Array.from({ length: 50 }, () => connect(t, server.origin, customer)));
  const { sessionId } = customer;
  const oneMore = new Peer(t, server.origin, { sessionId });
  const refusal = await oneMore.hears("connect_error");
  assert.deepEqual(refusal.data, { code: "too_many_connections" });
  const { websocket } = await (await fetch(`${server.origin}/health`)).json();
  assert.ok(websocket.connections >= 50, `${websocket.connections}`);
});
