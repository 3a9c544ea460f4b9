/**
 * What the Socket.IO clients promise when the line breaks: they come back, into their rooms, with
 * nothing missed, nothing doubled and nothing lost. The waits are simulated, the sockets are real.
 */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test, type TestContext } from "node:test";
import { memoryStorage } from "../src/core/storage.ts";
import { AdminWebSocketClient } from "../src/socketio/admin.ts";
import type { ChatClient } from "../src/socketio/client.ts";
import type { ConnectionDetail } from "../src/socketio/events.ts";
import { Clock } from "./clock.ts";
import { acked, newAgent, newCustomer, Told } from "./clients.ts";
import {
  CONVERSATION,
  eventually,
  newDouble,
  SESSION_KEY,
  settle,
  tokenOf,
  type Double,
} from "./double.ts";

const clock = new Clock();
beforeEach(() => clock.install());
afterEach(() => clock.reset());

const phase = (client: ChatClient, name: ConnectionDetail["phase"]) =>
  eventually(() => client.connection.phase === name, `the phase ${name}`);

/** Lets the wait of this client end, and its attempt begin. */
async function nextAttempt(client: ChatClient): Promise<void> {
  await phase(client, "waiting");
  clock.tick(client.connection.retryAt! - Date.now());
}

/** Waits for the line to be lost and, attempt by attempt, for the next one. */
async function comeBack(client: ChatClient): Promise<void> {
  await eventually(() => !client.isConnected, "the line to be lost");
  for (let attempts = 0; !client.isConnected; attempts += 1) {
    assert.ok(attempts < 20, "it does not come back");
    await nextAttempt(client);
    await eventually(() => client.connection.phase !== "connecting", "the attempt to end");
  }
}

async function restart(double: Double): Promise<void> {
  await double.stop();
  await double.start();
}

// 003: acceptance 172, 224, 227
test("a broken line comes back by itself, and says so at each step", async (t) => {
  const double = await newDouble(t);
  const { client, told } = await newAgent(t, double);
  double.cut();
  await nextAttempt(client);
  await phase(client, "connected");
  assert.deepEqual(told.states, ["connected", "reconnecting", "connected"]);
  assert.deepEqual(told.events, [
    "disconnect transport close",
    "reconnect_attempt 1",
    "reconnect 1",
  ]);
});

test("what was missed comes once when the server recovers the connection", async (t) => {
  const double = await newDouble(t);
  const { client, told } = await newAgent(t, double);
  await acked((ack) => client.sendMessage(CONVERSATION, "before", ack));
  await eventually(() => told.texts.length === 1, "the echo");
  double.cut();
  await phase(client, "waiting");
  double.store({ conversationId: CONVERSATION, content: "missed" }, "customer_1");
  await comeBack(client);
  await eventually(() => told.texts.length === 2, "what was missed");
  await settle();
  assert.deepEqual(told.texts, ["before", "missed"]);
  assert.equal(double.said("join_conversation").length, 1, "the rooms came back by themselves");
});

test("after a restart it joins again and names its cursor, and nothing comes twice", async (t) => {
  const double = await newDouble(t);
  const { client, told } = await newAgent(t, double);
  await acked((ack) => client.sendMessage(CONVERSATION, "before", ack));
  await eventually(() => told.texts.length === 1, "the echo");
  await restart(double);
  double.store({ conversationId: CONVERSATION, content: "missed" }, "customer_1");
  await comeBack(client);
  await eventually(() => told.texts.length === 2, "what was missed");
  double.tell("message_received", double.messages[1]!);
  await settle();
  assert.deepEqual(told.texts, ["before", "missed"]);
  assert.deepEqual(double.said("join_conversation"), [CONVERSATION, CONVERSATION]);
  assert.equal(double.auths.at(-1)?.["after"], "c1");
});

test("when the server cannot tell what was missed, the history is loaded anew", async (t) => {
  const double = await newDouble(t);
  const { client, told } = await newAgent(t, double);
  await acked((ack) => client.sendMessage(CONVERSATION, "before", ack));
  const resyncs: unknown[] = [];
  client.on("resync", (payload) => resyncs.push(payload));
  double.keepsLog = false;
  await restart(double);
  for (const content of ["missed 1", "missed 2"]) {
    double.store({ conversationId: CONVERSATION, content }, "customer_1");
  }
  await comeBack(client);
  await eventually(() => told.texts.length === 3, "what was missed");
  assert.deepEqual(told.texts, ["before", "missed 1", "missed 2"]);
  assert.deepEqual(resyncs, [{ reason: "retention" }]);
});

test("a server that tells no cursors is asked for what was missed", async (t) => {
  const double = await newDouble(t);
  double.hasCursors = false;
  const { client, told } = await newAgent(t, double);
  await acked((ack) => client.sendMessage(CONVERSATION, "before", ack));
  await eventually(() => told.texts.length === 1, "the echo");
  await restart(double);
  double.store({ conversationId: CONVERSATION, content: "missed" }, "customer_1");
  await comeBack(client);
  await eventually(() => told.texts.length === 2, "what was missed");
  const asked = { conversationId: CONVERSATION, after: 1, limit: 200 };
  assert.deepEqual(double.said("history").at(-1), asked);
});

// 003: acceptance 226, 227; the seeds' "give up" means slowly
test("five attempts fail, it says so, goes on slowly, and comes back", async (t) => {
  const double = await newDouble(t);
  const { client, told } = await newAgent(t, double);
  const slow: boolean[] = [];
  client.onConnectionChange((_, detail) => slow.push(detail.slow));
  await double.stop();
  const waits: number[] = [];
  for (let attempt = 1; attempt <= 6; attempt += 1) {
    const isDue = () =>
      client.connection.phase === "waiting" && client.connection.attempt === attempt;
    await eventually(isDue, `attempt ${attempt} to be planned`);
    waits.push(client.connection.retryAt! - Date.now());
    if (attempt < 6) await nextAttempt(client);
  }
  assert.deepEqual(waits, [500, 1000, 2000, 2500, 2500, 30_000]);
  assert.equal(told.states.at(-1), "disconnected");
  assert.ok(told.events.includes("reconnect_failed 5"), told.events.join());
  assert.equal(told.events.filter((event) => event.startsWith("connect_error")).length, 5);
  assert.deepEqual(slow, [false, true]);
  await double.start();
  await comeBack(client);
  assert.ok(told.events.includes("reconnect 6"));
  assert.deepEqual(told.states, ["connected", "reconnecting", "disconnected", "connected"]);
});

test("it comes back at once when the browser is online again", async (t) => {
  const browser = new EventTarget();
  Object.assign(globalThis, {
    addEventListener: browser.addEventListener.bind(browser),
    removeEventListener: browser.removeEventListener.bind(browser),
  });
  t.after(() => {
    Reflect.deleteProperty(globalThis, "addEventListener");
    Reflect.deleteProperty(globalThis, "removeEventListener");
  });
  const double = await newDouble(t);
  const { client } = await newAgent(t, double);
  double.cut();
  await phase(client, "waiting");
  browser.dispatchEvent(new Event("online"));
  await phase(client, "connected");
});

// 003: acceptance 213, 220
test("a refused login is final and says why", async (t) => {
  const double = await newDouble(t);
  const client = new AdminWebSocketClient();
  t.after(() => client.dispose());
  const told = new Told(client);
  client.connect("no token", double.url);
  await phase(client, "ended");
  const { reason, code, state } = client.connection;
  assert.deepEqual([reason, code, state], ["no entry", "unauthorized", "disconnected"]);
  assert.deepEqual(told.events, ["connect_error no entry"]);
  clock.tick(600_000);
  await settle();
  assert.equal(double.auths.length, 1);
});

test("a passing refusal is followed by another attempt", async (t) => {
  const double = await newDouble(t);
  double.refuse = "too_many_connections";
  const client = new AdminWebSocketClient();
  t.after(() => client.dispose());
  client.connect(tokenOf("agent_1"), double.url, { random: () => 0 });
  await phase(client, "waiting");
  double.refuse = undefined;
  await comeBack(client);
});

// 003: acceptance 221
test("an end that the server chose is followed by a return, unless it said why not", async (t) => {
  const double = await newDouble(t);
  const { client, told } = await newAgent(t, double);
  const only = () => [...double.io.sockets.sockets.values()][0]!;
  only().disconnect();
  await comeBack(client);
  assert.equal(told.events[0], "disconnect io server disconnect");
  await eventually(() => double.said("join_conversation").length === 2, "the second join");
  only().emit("error", { message: "you were removed", code: "kicked" });
  only().disconnect();
  await phase(client, "ended");
  assert.equal(client.connection.reason, "you were removed");
});

test("a token that ended is asked for again, where somebody knows a newer one", async (t) => {
  const double = await newDouble(t);
  const tokens = ["agent_1", "agent_1_renewed"].map((sub) => tokenOf(sub));
  const client = new AdminWebSocketClient();
  t.after(() => client.dispose());
  client.connect(() => Promise.resolve(tokens.shift()!), double.url, { random: () => 0 });
  await phase(client, "connected");
  const [socket] = double.io.sockets.sockets.values();
  socket!.emit("error", { message: "the token has ended", code: "unauthorized" });
  socket!.disconnect();
  await comeBack(client);
  await eventually(() => client.user?.userId === "agent_1_renewed", "the new token");
});

test("a server that never answers a handshake is tried again", async (t) => {
  const double = await newDouble(t);
  double.io.use(() => {
    // Neither yes nor no.
  });
  const client = new AdminWebSocketClient();
  t.after(() => client.dispose());
  const told = new Told(client);
  client.connect(tokenOf("agent_1"), double.url);
  await eventually(() => double.auths.length === 1, "the handshake");
  clock.tick(10_000);
  await phase(client, "waiting");
  assert.deepEqual(told.events, ["connect_error the server did not answer in time"]);
});

// 003: acceptance 187, 222, 249
test("a client that was disconnected stays so until it is told to return", async (t) => {
  const double = await newDouble(t);
  double.hasCursors = false;
  const { client, told } = await newAgent(t, double);
  await eventually(() => double.said("history").length === 1, "the question where it stands");
  await settle();
  client.disconnect();
  clock.tick(600_000);
  await settle();
  assert.equal(double.auths.length, 1);
  assert.deepEqual(told.events, ["disconnect io client disconnect"]);
  assert.deepEqual(client.conversations, [], "leaving is part of it");
  double.store({ conversationId: CONVERSATION, content: "meanwhile" }, "customer_1");
  client.reconnect();
  await client.joinConversation(CONVERSATION);
  await eventually(() => told.texts.length === 1, "what was said meanwhile");
  assert.deepEqual(told.texts, ["meanwhile"]);
});

// 003: acceptance 265
test("what is written offline is sent in order on return, and survives a reload", async (t) => {
  const double = await newDouble(t);
  const storage = memoryStorage();
  const { client } = await newAgent(t, double, { storage });
  await double.stop();
  await phase(client, "waiting");
  const texts = ["one", "two", "three"];
  for (const text of texts) client.sendMessage(CONVERSATION, text);
  client.dispose();
  await double.start();
  const { client: reloaded, told } = await newAgent(t, double, { storage });
  await eventually(() => told.texts.length === 3, "the three messages");
  assert.deepEqual(told.texts, texts);
  await eventually(() => reloaded.outbox.length === 0, "an empty outbox");
  const { client: next } = await newAgent(t, double, { storage });
  assert.deepEqual(next.outbox, [], "and it stays empty");
});

test("another user's client does not send what one user left unsent", async (t) => {
  const double = await newDouble(t);
  const storage = memoryStorage();
  const { client } = await newAgent(t, double, { storage });
  await double.stop();
  await phase(client, "waiting");
  client.sendMessage(CONVERSATION, "mine");
  client.connect(tokenOf("agent_2"), double.url, { storage });
  assert.equal(client.outbox.length, 0);
  client.connect(tokenOf("agent_1"), double.url, { storage });
  assert.equal(client.outbox[0]?.content, "mine");
  client.connect(tokenOf("agent_1", { exp: 2 }), double.url, { storage });
  assert.equal(client.outbox[0]?.content, "mine", "a renewed token is the same user's");
});

// 003: acceptance 266
test("a message without an answer is sent again under its id, three times at most", async (t) => {
  const double = await newDouble(t);
  const { client } = await newAgent(t, double);
  double.answer = () => null;
  const answer = acked((ack) => client.sendMessage(CONVERSATION, "anybody?", ack));
  for (let tries = 1; tries <= 3; tries += 1) {
    await eventually(() => double.said("send_message").length === tries, `try ${tries}`);
    clock.tick(10_000);
    await settle();
  }
  const ids = double.said("send_message").map((say) => (say as { clientId: string }).clientId);
  assert.equal(new Set(ids).size, 1);
  assert.equal((await answer).code, "timeout");
  assert.equal(client.outbox[0]?.state, "failed");
  double.answer = () => undefined;
  client.retryMessage(ids[0]!);
  await eventually(() => client.outbox.length === 0, "the retried message");
});

test("a message that comes back is sent, even if its ack never comes", async (t) => {
  const double = await newDouble(t);
  const { client } = await newAgent(t, double);
  double.answer = (say) => {
    double.store(say, "agent_1");
    return null;
  };
  const answer = await acked((ack) => client.sendMessage(CONVERSATION, "heard", ack));
  assert.deepEqual([answer.success, answer.seq], [true, 1]);
  assert.deepEqual(client.outbox, []);
});

test("a confirmed message stays in sight until it comes back, or for five seconds", async (t) => {
  const double = await newDouble(t);
  const storage = memoryStorage();
  const { client } = await newAgent(t, double, { storage });
  await client.joinConversation(CONVERSATION);
  double.answer = () => ({ success: true, messageId: "m1", seq: 1, timestamp: "" });
  await acked((ack) => client.sendMessage(CONVERSATION, "no echo", ack));
  assert.equal(client.outbox[0]?.state, "acked");
  const { client: reloaded } = await newAgent(t, double, { storage });
  assert.deepEqual(reloaded.outbox, [], "a new page has it in its history");
  clock.tick(5000);
  assert.deepEqual(client.outbox, []);
});

test("a line that breaks before the ack costs nothing: the repeat is known", async (t) => {
  const double = await newDouble(t);
  const { client, told } = await newAgent(t, double);
  double.answer = (say) => {
    double.answer = () => undefined;
    double.store(say, "agent_1");
    double.cut();
    return null;
  };
  const answer = acked((ack) => client.sendMessage(CONVERSATION, "once", ack));
  await comeBack(client);
  assert.equal((await answer).seq, 1);
  await eventually(() => told.texts.length === 1, "the message");
  await settle();
  assert.deepEqual([told.texts, double.messages.length], [["once"], 1]);
  assert.deepEqual(client.outbox, []);
});

test("too fast: it waits as long as it was told, and later messages wait behind", async (t) => {
  const double = await newDouble(t);
  const { client, told } = await newAgent(t, double);
  double.answer = () => ({ success: false, code: "rate_limited", retry_after: 3 });
  for (const text of ["first", "second"]) client.sendMessage(CONVERSATION, text);
  await eventually(() => double.said("send_message").length === 1, "the first try");
  await settle();
  double.answer = () => undefined;
  clock.tick(2999);
  await settle();
  assert.equal(double.said("send_message").length, 1);
  clock.tick(1);
  await eventually(() => told.texts.length === 2, "both messages");
  assert.deepEqual(told.texts, ["first", "second"]);
});

test("a refused message stays until it is given up, and the next one is sent", async (t) => {
  const double = await newDouble(t);
  const { client } = await newAgent(t, double);
  double.answer = () => ({ success: false, code: "forbidden", error: "closed to you" });
  const refused = await acked((ack) => client.sendMessage(CONVERSATION, "no", ack));
  assert.deepEqual([refused.success, refused.error], [false, "closed to you"]);
  double.answer = () => undefined;
  assert.ok((await acked((ack) => client.sendMessage(CONVERSATION, "yes", ack))).success);
  assert.deepEqual(
    client.outbox.map(({ content, code }) => [content, code]),
    [["no", "forbidden"]],
  );
  client.discardMessage(client.outbox[0]!.clientId);
  assert.deepEqual(client.outbox, []);
});

test("what cannot be taken is refused at once", async (t) => {
  const double = await newDouble(t);
  const { client } = await newAgent(t, double);
  await double.stop();
  await phase(client, "waiting");
  const codes: (string | undefined)[] = [];
  const send = (text: string) =>
    client.sendMessage(CONVERSATION, text, (ack) => codes.push(ack.code));
  assert.equal(send("  "), null);
  assert.equal(send("é".repeat(8193)), null);
  for (let count = 0; count < 200; count += 1) assert.ok(send(`message ${count}`));
  assert.equal(send("one too many"), null);
  assert.deepEqual(codes, ["invalid", "invalid", "outbox_full"]);
});

/** Serves `POST /api/messages` where the double was, and nothing else. */
async function newRestOnly(t: TestContext, double: Double) {
  const { createServer } = await import("node:http");
  const bodies: { content: string; clientId: string }[] = [];
  const tokens = new Set<string | undefined>();
  const server = createServer((request, response) => {
    if (request.method !== "POST" || request.url !== "/api/messages") {
      return void response.writeHead(502).end();
    }
    tokens.add(request.headers.authorization);
    let text = "";
    request.on("data", (part) => (text += part));
    request.on("end", () => {
      bodies.push(JSON.parse(text));
      const data = { messageId: "m1", seq: bodies.length, timestamp: "2025-10-28T10:00:00.000Z" };
      response.writeHead(201, { "content-type": "application/json" });
      response.end(JSON.stringify({ success: true, message: "ok", data }));
    });
  });
  t.after(() => server.close());
  await new Promise<void>((resolve) => server.listen(double.port, "127.0.0.1", resolve));
  t.after(() => server.closeAllConnections());
  return { bodies, tokens };
}

// 003: acceptance 261
test("a customer's messages go by REST while no socket can be opened", async (t) => {
  const double = await newDouble(t);
  const token = tokenOf("customer_1");
  const { client } = await newCustomer(t, double, { token });
  await double.stop();
  await phase(client, "waiting");
  const { bodies, tokens } = await newRestOnly(t, double);
  const answers = await Promise.all(
    ["one", "two"].map((text) => acked((ack) => client.sendMessage(text, ack))),
  );
  assert.deepEqual(
    bodies.map(({ content }) => content),
    ["one", "two"],
  );
  assert.deepEqual(
    answers.map(({ success, seq }) => [success, seq]),
    [
      [true, 1],
      [true, 2],
    ],
  );
  assert.deepEqual([...tokens], [`Bearer ${token}`]);
  const states = client.outbox.map(({ state }) => state);
  assert.deepEqual(states, ["acked", "acked"], "in sight until a line brings them back");
  assert.deepEqual(double.auths[0], { sessionId: SESSION_KEY }, "the socket needs no token");
});

test("an agent's messages go by REST only if the page asked for it", async (t) => {
  const double = await newDouble(t);
  const { client } = await newAgent(t, double);
  const { client: other } = await newAgent(t, double, { restFallback: true });
  await double.stop();
  for (const each of [client, other]) await phase(each, "waiting");
  const { bodies } = await newRestOnly(t, double);
  client.sendMessage(CONVERSATION, "waits");
  other.sendMessage(CONVERSATION, "goes");
  await eventually(() => bodies.length > 0, "the message that goes");
  await settle();
  assert.deepEqual(
    bodies.map(({ content }) => content),
    ["goes"],
  );
  assert.equal(client.outbox.length, 1);
});

// 003: acceptance 268
test("uptime, delivery, returns and errors are counted", async (t) => {
  const double = await newDouble(t);
  const { client } = await newAgent(t, double);
  await acked((ack) => client.sendMessage(CONVERSATION, "counted", ack));
  clock.tick(8000);
  double.cut();
  await comeBack(client);
  const { uptime, sent, delivered, deliveryRate, reconnects, errors } = client.metrics();
  assert.ok(uptime > 0.9 && uptime < 1, String(uptime));
  assert.deepEqual([sent, delivered, deliveryRate, reconnects, errors], [1, 1, 1, 1, 0]);
});
