/**
 * Document 003's whole flow, by an unmodified `socket.io-client` from Node, once on every
 * transport: each row of the table is one promise of the protocol, kept or broken in all of them.
 * Who types, comes and goes is in `socketio-people.test.mjs`.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  agent,
  connect,
  meet,
  MODES,
  post,
  startClosedServer,
  testOnEveryTransport,
  startConversation,
} from "./socketio.mjs";

const RFC3339_MS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

const FLOW = {
  "each side is told who it is, and where the log ends": async (t, server, mode) => {
    const customer = await startConversation(server);
    const asking = await connect(t, server.origin, customer, mode);
    const { cursor, ...who } = asking.identity;
    // 003: acceptance 196, 210, 212
    assert.deepEqual(who, {
      userId: customer.userId,
      userName: "Budi",
      role: "customer",
      userType: "customer",
    });
    assert.equal(await asking.hears("cursor"), cursor);
    assert.doesNotMatch(cursor, /^\d+$/);
    const colleague = agent({ name: "Dewi" });
    const answering = await connect(t, server.origin, colleague, mode);
    const { userId, userName, role, userType } = answering.identity;
    // 003: acceptance 196, 206
    assert.deepEqual(
      [userId, userName, role, userType],
      [colleague.userId, "Dewi", "admin", "agent"],
    );
    assert.equal(asking.socket.recovered, false);
  },

  "the transport is the one that was asked for": async (t, server, mode) => {
    const asking = await connect(t, server.origin, await startConversation(server), mode);
    // 003: acceptance 175, 248
    await asking.settles();
    assert.equal(asking.heard.filter(({ event }) => event === "disconnect").length, 0);
  },

  "joining is answered by an acknowledgement and an event": async (t, server, mode) => {
    const customer = await startConversation(server);
    const asking = await connect(t, server.origin, customer, mode);
    const { conversation: conversationId } = customer;
    // 003: acceptance 191, 197
    assert.deepEqual(await asking.asks("join_conversation", conversationId), {
      success: true,
      conversationId,
    });
    assert.deepEqual(await asking.hears("joined_conversation"), { conversationId });
  },

  "a message is acknowledged, and heard by both sides": async (t, server, mode) => {
    const { conversation, customer, agent: dewi, asking, answering } = await meet(t, server, mode);
    const ack = await asking.says(conversation, "Hello!", { clientId: "c-1" });
    const { success, messageId, seq, timestamp } = ack;
    // 003: acceptance 193, 205
    assert.deepEqual(Object.keys(ack).sort(), ["messageId", "seq", "success", "timestamp"]);
    assert.equal(success, true);
    assert.match(messageId, UUID);
    assert.equal(seq, 1);
    assert.match(timestamp, RFC3339_MS);
    const said = {
      conversationId: conversation,
      content: "Hello!",
      sender: { userId: customer.userId, userName: "Budi", role: "customer", userType: "customer" },
      timestamp,
      messageId,
      seq,
      clientId: "c-1",
    };
    // 003: acceptance 179, 199, 203, 204
    assert.deepEqual(await asking.hears("message_received"), said);
    assert.deepEqual(await answering.hears("message_received"), said);
    await answering.says(conversation, "Hi, how can I help?");
    const reply = await asking.hears("message_received", ({ seq: number }) => number === 2);
    assert.deepEqual(reply.sender, {
      userId: dewi.userId,
      userName: "Dewi",
      role: "admin",
      userType: "agent",
    });
  },

  "a message that is sent again is the first one": async (t, server, mode) => {
    const { conversation, asking, answering } = await meet(t, server, mode);
    const first = await asking.says(conversation, "once", { clientId: "c-1" });
    assert.deepEqual(await asking.says(conversation, "once", { clientId: "c-1" }), first);
    await asking.says(conversation, "twice", { clientId: "c-2" });
    await answering.hears("message_received", ({ seq }) => seq === 2);
    assert.deepEqual(answering.texts(), ["once", "twice"]);
  },

  "many messages at once arrive in order, without a hole": async (t, server, mode) => {
    const { conversation, asking, answering } = await meet(t, server, mode);
    const texts = Array.from({ length: 60 }, (_, place) => `message ${place + 1}`);
    const acks = await Promise.all(texts.map((text) => asking.says(conversation, text)));
    const numbers = texts.map((_, place) => place + 1);
    assert.deepEqual(
      acks.map(({ seq }) => seq),
      numbers,
    );
    for (const peer of [asking, answering]) {
      await peer.hears("message_received", ({ seq }) => seq === texts.length);
      assert.deepEqual(peer.texts(), texts);
      assert.deepEqual(
        peer.all("message_received").map(({ seq }) => seq),
        numbers,
      );
    }
  },

  "a handler never sees a second argument": async (t, server, mode) => {
    const { conversation, asking, answering } = await meet(t, server, mode);
    await asking.says(conversation, "one");
    await answering.does("message_read", { conversationId: conversation, seq: 1 });
    await asking.hears("message_status", ({ status }) => status === "read");
    const counts = asking.heard
      .filter(({ event }) => event !== "connect")
      .map(({ args }) => args.length);
    assert.ok(counts.length > 5 && counts.every((count) => count === 1), `${counts}`);
    const ended = asking.heard.filter(({ args }) => typeof args.at(-1) === "string");
    assert.ok(
      ended.every(({ event }) => event === "cursor"),
      "a text is taken for an offset",
    );
  },

  "history comes page by page, in order": async (t, server, mode) => {
    const { conversation: conversationId, asking, answering } = await meet(t, server, mode);
    for (const text of ["1", "2", "3", "4", "5"]) await asking.says(conversationId, text);
    const page = async (range) => {
      const { messages, has_more } = await answering.does("history", { conversationId, ...range });
      return [messages.map(({ content }) => content).join(""), has_more];
    };
    assert.deepEqual(await page({}), ["12345", false]);
    assert.deepEqual(await page({ limit: 2 }), ["45", true]);
    assert.deepEqual(await page({ limit: 2, before: 4 }), ["23", true]);
    assert.deepEqual(await page({ limit: 2, before: 2 }), ["1", false]);
    assert.deepEqual(await page({ limit: 2, after: 1 }), ["23", true]);
    assert.deepEqual(await page({ limit: 2, after: 3 }), ["45", false]);
    const { messages } = await answering.does("history", { conversationId, limit: 1 });
    const live = await asking.hears("message_received", ({ seq }) => seq === 5);
    assert.deepEqual(messages, [live], "history shows what live delivery showed");
  },

  "what cannot be done is refused by name, and the socket lives": async (t, server, mode) => {
    const { conversation: conversationId, asking } = await meet(t, server, mode);
    const refusals = [
      ["dance", [{}], "unknown_type"],
      ["send_message", ["just a text"], "bad_frame"],
      ["send_message", [{ conversationId }], "bad_frame"],
      ["send_message", [{ conversationId, content: " \n " }], "invalid"],
      ["send_message", [{ conversationId, content: "x".repeat(16 * 1024 + 1) }], "too_large"],
      ["message_read", [{ conversationId, seq: 9 }], "invalid"],
      ["join_conversation", ["no id at all!"], "invalid_id"],
      ["join_conversation", [crypto.randomUUID()], "not_found"],
    ];
    for (const [event, args, code] of refusals) {
      const what = `${event} ${JSON.stringify(args).slice(0, 60)}`;
      const ack = await asking.asks(event, ...args);
      // 003: acceptance 205, 245
      assert.deepEqual([ack.success, ack.code], [false, code], what);
      assert.ok(ack.error.length > 3, what);
      asking.socket.emit(event, ...args);
      // 003: acceptance 202
      const error = await asking.hears("error", ({ message }) => message === ack.error);
      assert.deepEqual([error.event, error.code], [event, code], what);
    }
    await asking.says(conversationId, "still here");
  },

  "a message is text, whatever it looks like": async (t, server, mode) => {
    const { conversation, asking, answering } = await meet(t, server, mode);
    const content = '<b>"no" markup</b>\n\t\u{1F600} & 42["x"]';
    await asking.says(conversation, `\u0000${content}\u0007`);
    // 003: acceptance 244
    assert.equal((await answering.hears("message_received")).content, content);
  },
};

testOnEveryTransport(FLOW);

test("nothing is lost or doubled while the transport is upgraded", async (t) => {
  const server = await startClosedServer(t);
  const upgrading = MODES.find(({ transports }) => transports.length === 2);
  const customer = await startConversation(server);
  const asking = await connect(t, server.origin, customer);
  const answering = await connect(t, server.origin, agent(), upgrading);
  const texts = [];
  const heard = answering.joins(customer.conversation);
  while (answering.transport !== "websocket" || texts.length < 20) {
    texts.push(`message ${texts.length + 1}`);
    await asking.says(customer.conversation, texts.at(-1));
  }
  await heard;
  await answering.hears("message_received", ({ seq }) => seq === texts.length);
  const seqs = answering.all("message_received").map(({ seq }) => seq);
  const first = seqs[0];
  assert.deepEqual(
    seqs,
    seqs.map((_, place) => first + place),
  );
});

test("long-polling and WebSocket users are in one room", async (t) => {
  const server = await startClosedServer(t);
  const customer = await startConversation(server);
  const peers = await Promise.all([
    connect(t, server.origin, customer, MODES[1]),
    connect(t, server.origin, agent(), MODES[0]),
    connect(t, server.origin, agent({ role: "admin" }), MODES[2]),
  ]);
  for (const peer of peers) await peer.joins(customer.conversation);
  for (const [place, peer] of peers.entries())
    await peer.says(customer.conversation, `from ${place}`);
  for (const peer of peers) {
    await peer.hears("message_received", ({ seq }) => seq === 3);
    // 003: acceptance 214
    assert.deepEqual(peer.texts(), ["from 0", "from 1", "from 2"]);
  }
});

test("a conversation may be named by its external id, and answers keep the name", async (t) => {
  const server = await startClosedServer(t);
  const customer = await startConversation(server, { external_id: "conv-123" });
  const asking = await connect(t, server.origin, customer);
  const answering = await connect(t, server.origin, agent());
  const conversationId = "conv-123";
  assert.deepEqual(await asking.joins(conversationId), { success: true, conversationId });
  await answering.joins(customer.conversation);
  await asking.says(conversationId, "by name");
  assert.equal((await asking.hears("message_received")).conversationId, conversationId);
  const { conversationId: byId } = await answering.hears("message_received");
  assert.equal(byId, customer.conversation, "who used the id gets the id");
  const { messages } = await asking.does("history", { conversationId });
  assert.equal(messages[0].conversationId, conversationId);
});

test("what is sent to a user comes under its own name", async (t) => {
  const server = await startClosedServer(t);
  const dewi = agent();
  const answering = await connect(t, server.origin, dewi);
  const admin = agent({ role: "admin" });
  const payload = { title: "New message", body: "You have a new message" };
  const path = `/api/users/${dewi.userId}/notify`;
  // 003: acceptance 263
  await post(server.origin, path, { event: "notification", payload }, admin.token);
  const { title, body } = await answering.hears("notification");
  assert.deepEqual({ title, body }, payload);
  await post(server.origin, path, { event: "lunch", payload: { minutes: 30 } }, admin.token);
  assert.equal((await answering.hears("lunch")).minutes, 30);
});
