/**
 * Who is let in, and what they may do there, as an unmodified `socket.io-client` meets it: every
 * event of the protocol is tried by everybody it is not meant for.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  agent,
  connect,
  meet,
  MODES,
  Peer,
  POLLING,
  post,
  sign,
  startClosedServer,
  startConversation,
  WEBSOCKET,
} from "./socketio.mjs";

const now = () => Math.floor(Date.now() / 1000);

const WRONG = {
  "a token signed with another secret": () => ({
    token: sign({ sub: "eve", role: "admin" }, "another secret"),
  }),
  "a token that is over": () => ({ token: sign({ sub: "eve", role: "agent", exp: now() - 31 }) }),
  "a token without an end": () => ({ token: sign({ sub: "eve", role: "agent", exp: undefined }) }),
  "a token of no known role": () => ({ token: sign({ sub: "eve", role: "king" }) }),
  "an unsigned token": () => {
    const encode = (part) => Buffer.from(JSON.stringify(part)).toString("base64url");
    const claims = { sub: "eve", role: "admin", exp: now() + 60 };
    return { token: `${encode({ alg: "none" })}.${encode(claims)}.` };
  },
  "garbage for a token": () => ({ token: "garbage" }),
  "a session nobody knows": () => ({ sessionId: crypto.randomUUID() }),
  "the id of a conversation, which proves nothing": ({ conversation }) => ({
    sessionId: conversation,
  }),
};

for (const [what, authFor] of Object.entries(WRONG)) {
  test(`${what} is refused with a reason, and the client does not try again`, async (t) => {
    const server = await startClosedServer(t);
    const auth = authFor(await startConversation(server));
    for (const mode of MODES) {
      const eve = new Peer(t, server.origin, auth, mode);
      const refusal = await eve.hears("connect_error");
      // 003: acceptance 207, 208, 211, 220
      assert.ok(refusal.message.length > 3, mode.name);
      assert.deepEqual(refusal.data, { code: "unauthorized" }, mode.name);
      assert.equal(eve.socket.active, false);
      assert.deepEqual(eve.all("connect"), []);
    }
  });
}

test("another namespace than / is refused", async (t) => {
  const server = await startClosedServer(t);
  const { token } = agent();
  const lost = new Peer(t, `${server.origin}/elsewhere`, { token });
  assert.equal((await lost.hears("connect_error")).message, "Invalid namespace");
});

/** Why a socket of each mode was disconnected. */
const endsOf = (peers, withinMs) =>
  Promise.all(
    peers.map(async (peer, place) => [
      MODES[place].name,
      await peer.hears("disconnect", () => true, withinMs),
    ]),
  );
/** A client that ends otherwise comes back by itself, to be put out again and again. */
const PUT_OUT = MODES.map(({ name }) => [name, "io server disconnect"]);

test("who says nothing for ten seconds is disconnected", async (t) => {
  const server = await startClosedServer(t);
  const startedAt = Date.now();
  const silent = MODES.map((mode) => new Peer(t, server.origin, {}, mode));
  assert.deepEqual(await endsOf(silent, 12_000), PUT_OUT);
  const tookMs = Date.now() - startedAt;
  assert.ok(tookMs > 8000, `disconnected after ${tookMs} ms`);
  for (const peer of silent) assert.deepEqual(peer.all("authenticated"), []);
});

for (const mode of MODES) {
  test(`${mode.name}: the authenticate event lets in`, async (t) => {
    const server = await startClosedServer(t);
    const customer = await startConversation(server);
    const asking = new Peer(t, server.origin, {}, mode);
    await asking.hears("connect");
    const early = await asking.asks("join_conversation", customer.conversation);
    assert.deepEqual([early.success, early.code], [false, "unauthorized"]);
    // 003: acceptance 190
    await asking.does("authenticate", { sessionId: customer.sessionId });
    const { userId, role } = await asking.hears("authenticated");
    assert.deepEqual([userId, role], [customer.userId, "customer"]);
    await asking.joins(customer.conversation);
    await asking.says(customer.conversation, "let in");
    await asking.hears("message_received");
  });

  test(`${mode.name}: a wrong authenticate event is told, and ends the connection`, async (t) => {
    const server = await startClosedServer(t);
    const eve = new Peer(t, server.origin, {}, mode);
    await eve.hears("connect");
    eve.socket.emit("authenticate", { token: "garbage" });
    const { message, code, event } = await eve.hears("error");
    assert.deepEqual([code, event], ["unauthorized", "authenticate"]);
    assert.ok(message.length > 3);
    // 003: acceptance 213
    assert.equal(await eve.hears("disconnect"), "io server disconnect");
    assert.deepEqual(eve.all("authenticated"), []);
  });
}

test("a token that ends puts its holder out, and one that is renewed in time does not", async (t) => {
  const server = await startClosedServer(t);
  const comesFor = (sub, mode) => connect(t, server.origin, agent({ sub, exp: now() - 27 }), mode);
  const ending = await Promise.all(MODES.map((mode) => comesFor(crypto.randomUUID(), mode)));
  const sub = crypto.randomUUID();
  const renewing = await comesFor(sub, WEBSOCKET);
  await renewing.does("authenticate", agent({ sub }));
  const stolen = await renewing.asks("authenticate", agent());
  assert.deepEqual([stolen.success, stolen.code], [false, "forbidden"], "another user's token");
  assert.deepEqual(await endsOf(ending, 8000), PUT_OUT);
  await renewing.asks("history", { conversationId: crypto.randomUUID() });
  assert.deepEqual(renewing.all("disconnect"), []);
});

/** Every event a client can send about a conversation. */
const EVENTS = [
  ["join_conversation", (id) => id],
  ["leave_conversation", (id) => id],
  ["send_message", (conversationId) => ({ conversationId, content: "let me in" })],
  ["typing_start", (id) => id],
  ["typing_stop", (id) => id],
  ["message_read", (conversationId) => ({ conversationId, seq: 1 })],
  ["history", (conversationId) => ({ conversationId })],
];

/** Who is refused how; each with a conversation of its own. */
const STRANGERS = {
  "another customer": ["forbidden", (server) => startConversation(server)],
  "an agent it is not assigned to": [
    "forbidden",
    async (server) => ({
      ...(await startConversation(server)),
      ...without(agent({ name: "Agus" })),
    }),
  ],
  "another tenant's agent": [
    "not_found",
    async (server) => ({ ...(await startInAcme(server)), ...without(agent({ tenant: "acme" })) }),
  ],
  "another tenant's admin": [
    "not_found",
    async (server) => ({
      ...(await startInAcme(server)),
      ...without(agent({ tenant: "acme", role: "admin" })),
    }),
  ],
  "a customer of the same name in another tenant": [
    "not_found",
    async (server, { userId: sub }) => {
      const { conversation } = await startInAcme(server);
      const claims = { sub, tenant: "acme", role: "customer", conversations: [conversation] };
      return { conversation, ...without(agent(claims)) };
    },
  ],
};
const startInAcme = (server) => startConversation(server, {}, "acme");

/** Somebody who comes with a token, not with a session's key. */
const without = (person) => ({ ...person, sessionId: undefined });

for (const [who, [code, comesFrom]] of Object.entries(STRANGERS)) {
  test(`${who} is refused on every event, and neither side hears of it`, async (t) => {
    const server = await startClosedServer(t);
    // The tenant begins with the first token that names it; an admin's, who is given nothing.
    await connect(t, server.origin, agent({ tenant: "acme", role: "admin" }));
    const met = await meet(t, server);
    const { conversation, asking, answering } = met;
    await post(server.origin, `/api/sessions/${conversation}/assign`, {}, met.agent.token);
    await asking.says(conversation, "between us");
    await asking.hears("message_status");
    // Whoever comes now is for the stranger to answer.
    await post(server.origin, "/api/agent-status/heartbeat", { status: "busy" }, met.agent.token);
    const eve = await comesFrom(server, met.customer);
    const stranger = await connect(t, server.origin, eve);
    asking.forget();
    answering.forget();
    for (const [event, argument] of EVENTS) {
      const ack = await stranger.asks(event, argument(conversation));
      // 003: acceptance 209, 246
      assert.deepEqual([ack.success, ack.code], [false, code], event);
      assert.equal(ack.messages, undefined, event);
    }
    await asking.says(conversation, "still between us");
    for (const peer of [asking, answering]) {
      await peer.hears("message_received");
      assert.deepEqual(peer.texts(), ["still between us"]);
      assert.deepEqual(peer.all("typing_indicator"), []);
      assert.deepEqual(peer.all("connection_status_update"), []);
    }
    // Its own message is younger; what is told comes in the order of the log.
    await stranger.joins(eve.conversation);
    await stranger.says(eve.conversation, "my own");
    await stranger.hears("message_received");
    assert.deepEqual(stranger.texts(), ["my own"]);
    assert.ok(!JSON.stringify(stranger.all("message_status")).includes(conversation));
  });
}

test("nobody hears a conversation without joining it, or after leaving it", async (t) => {
  const server = await startClosedServer(t);
  const [first, second] = await Promise.all([startConversation(server), startConversation(server)]);
  const admin = agent({ role: "admin" });
  const [asking, elsewhere, never, gone] = await Promise.all([
    connect(t, server.origin, first),
    connect(t, server.origin, second),
    connect(t, server.origin, admin, POLLING),
    connect(t, server.origin, agent({ role: "admin" }), WEBSOCKET),
  ]);
  await asking.joins(first.conversation);
  await elsewhere.joins(second.conversation);
  await gone.joins(first.conversation);
  await gone.does("leave_conversation", first.conversation);
  gone.forget();
  asking.socket.emit("typing_start", first.conversation);
  await asking.says(first.conversation, "for the first only");
  await asking.hears("message_received");
  // Sending needs permission, not joining.
  await never.says(second.conversation, "for the second only");
  await elsewhere.hears("message_received");
  await never.joins(second.conversation);
  await gone.joins(second.conversation);
  await elsewhere.says(second.conversation, "for all who are here");
  for (const peer of [never, gone, elsewhere]) {
    await peer.hears("message_received", ({ content }) => content === "for all who are here");
    assert.deepEqual(peer.all("typing_indicator"), []);
  }
  // 003: acceptance 215
  assert.deepEqual(asking.texts(), ["for the first only"]);
  assert.deepEqual(elsewhere.texts(), ["for the second only", "for all who are here"]);
  assert.deepEqual(never.texts(), ["for all who are here"]);
  assert.deepEqual(gone.texts(), ["for all who are here"]);
});

test("an agent is put out of a conversation that goes to a colleague", async (t) => {
  const server = await startClosedServer(t);
  const { conversation, asking, answering, agent: dewi } = await meet(t, server);
  await answering.hears("conversation_assigned");
  const colleague = agent({ name: "Agus" });
  await connect(t, server.origin, colleague);
  const to = { agent_id: colleague.userId };
  await post(server.origin, `/api/sessions/${conversation}/transfer`, to, dewi.token);
  const { conversationId, reason } = await answering.hears("left_conversation");
  assert.deepEqual([conversationId, reason], [conversation, "forbidden"]);
  await asking.says(conversation, "not for the first agent");
  await asking.hears("message_received");
  const ack = await answering.asks("history", { conversationId: conversation });
  assert.equal(ack.code, "forbidden");
  assert.deepEqual(answering.texts(), []);
});
