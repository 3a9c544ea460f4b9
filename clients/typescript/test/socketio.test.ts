/** What the Socket.IO clients promise while the line holds. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { bindTyping } from "../src/core/typing.ts";
import adminWebSocket, { AdminWebSocketClient } from "../src/socketio/admin.ts";
import { ChatError } from "../src/socketio/events.ts";
import { WidgetWebSocketHandler } from "../src/socketio/widget.ts";
import { newClock } from "./clock.ts";
import { acked, newAgent, newCustomer, Told } from "./clients.ts";
import { CONVERSATION, eventually, newDouble, SESSION_KEY, settle, tokenOf } from "./double.ts";

// 003: acceptance 179-186, 188, 189
test("an agent and a customer talk, each with its own client", async (t) => {
  const double = await newDouble(t);
  const agent = await newAgent(t, double);
  const customer = await newCustomer(t, double);
  const question = await acked((ack) => customer.client.sendMessage("Hello?", ack));
  assert.equal(question.success, true);
  assert.equal(question.seq, 1);
  await eventually(() => agent.told.texts.length === 1, "the question");
  const answer = await acked((ack) => agent.client.sendMessage(CONVERSATION, "Hi!", ack));
  assert.equal(answer.success, true);
  await eventually(() => customer.told.texts.length === 2, "the answer");
  assert.deepEqual(customer.told.texts, ["Hello?", "Hi!"]);
  assert.deepEqual(agent.told.texts, ["Hello?", "Hi!"], "a sender hears its own words too");
  assert.equal(customer.told.messages[1]?.sender.role, "admin");
  assert.deepEqual(
    [agent, customer].map(({ told }) => told.states),
    [["connected"], ["connected"]],
  );
  assert.deepEqual(double.auths, [{ token: tokenOf("agent_1") }, { sessionId: SESSION_KEY }]);
  assert.equal(agent.client.user?.userId, "agent_1");
  assert.equal(customer.client.conversationId, CONVERSATION);
});

test("the page's one agent client is ready to be connected", () => {
  assert.ok(adminWebSocket instanceof AdminWebSocketClient);
  assert.equal(adminWebSocket.state, "disconnected");
  assert.throws(() => adminWebSocket.sendMessage("conv-123", "too early"), /connect\(\) comes/);
});

// 003: acceptance 248
for (const transport of ["websocket", "polling"] as const) {
  test(`everything works over ${transport} alone`, async (t) => {
    const double = await newDouble(t);
    const packets: string[] = [];
    const client = new AdminWebSocketClient();
    t.after(() => client.dispose());
    client.on("packet", ({ direction, text }) => packets.push(`${direction} ${text}`));
    client.connect(tokenOf("agent_1"), double.url, { transports: [transport] });
    await client.joinConversation(CONVERSATION);
    assert.ok(packets.includes('out 40{"token":"..."}'), "no token in what may be shown");
    const ack = await acked((done) => client.sendMessage(CONVERSATION, "over the wire", done));
    assert.equal(ack.success, true);
    const [socket] = double.io.sockets.sockets.values();
    assert.equal(socket?.conn.transport.name, transport);
    assert.ok(
      packets.some((line) => /^out 42\d+\["send_message"/.test(line)),
      packets.join(),
    );
    assert.ok(packets.some((line) => line.startsWith('in 42["message_received"')));
  });
}

test("a listener hears nothing more once it is taken away", async (t) => {
  const double = await newDouble(t);
  const { client, told } = await newAgent(t, double);
  const heard: unknown[] = [];
  const stop = client.on("ticket_assigned", (payload) => heard.push(payload));
  double.tell("ticket_assigned", { id: 1 });
  await eventually(() => heard.length === 1, "the custom event");
  stop();
  double.tell("ticket_assigned", { id: 2 });
  client.dispose();
  await settle();
  assert.deepEqual(heard, [{ id: 1 }]);
  assert.equal(told.states.at(-1), "disconnected");
});

test("presence, receipts, status and errors come under their names", async (t) => {
  const double = await newDouble(t);
  const { client } = await newAgent(t, double);
  const heard: string[] = [];
  client.onPresenceUpdate(({ userId, status }) => heard.push(`${userId} is ${status}`));
  client.onMessageStatus(({ status, seq }) => heard.push(`${status} up to ${seq}`));
  client.onError(({ code }) => heard.push(`error ${code}`));
  client.on("conversation_queued", ({ position }) => heard.push(`queued at ${position}`));
  const timestamp = "2025-10-28T10:00:00Z";
  double.tell("presence_update", { userId: "customer_1", status: "online", timestamp });
  const status = { userId: "customer_1", seq: 3, status: "read", timestamp };
  double.tell("message_status", { conversationId: CONVERSATION, ...status });
  double.tell("error", { message: "no", code: "forbidden", event: "join_conversation" });
  double.tell("conversation_queued", { conversationId: CONVERSATION, position: 2 });
  await eventually(() => heard.length === 4, "the four events");
  assert.deepEqual(heard, [
    "customer_1 is online",
    "read up to 3",
    "error forbidden",
    "queued at 2",
  ]);
  assert.ok(client.isConnected, "an error that answers an event ends nothing");
});

test("a refused join says why and is not wanted any more", async (t) => {
  const double = await newDouble(t);
  const { client } = await newAgent(t, double);
  const answer = await client.joinConversation("forbidden");
  assert.deepEqual(answer, { success: false, code: "forbidden", error: "not yours" });
  assert.deepEqual(client.conversations, [CONVERSATION]);
  assert.equal((await client.joinConversation(CONVERSATION)).success, true);
  assert.equal((await client.leaveConversation(CONVERSATION)).success, true);
  assert.deepEqual(client.conversations, []);
});

test("two answers wait for one join", async (t) => {
  const double = await newDouble(t);
  const { client } = await newAgent(t, double);
  const answers: unknown[] = [];
  const [one, other] = await Promise.all([
    client.joinConversation("conv-9", (answer) => answers.push(answer)),
    client.joinConversation("conv-9"),
  ]);
  assert.deepEqual(one, { success: true, conversationId: "conv-9" });
  assert.deepEqual([other, answers], [one, [one]]);
  assert.deepEqual(double.said("join_conversation"), [CONVERSATION, "conv-9"]);
});

test("history comes in pages, and what it holds is not told again", async (t) => {
  const double = await newDouble(t);
  const { client, told } = await newCustomer(t, double);
  for (const content of ["one", "two", "three"]) {
    double.messages.push({
      conversationId: CONVERSATION,
      content,
      sender: { userId: "agent_1", role: "admin" },
      timestamp: "2025-10-28T10:00:00.000Z",
      messageId: `m-${content}`,
      seq: double.messages.length + 1,
    });
  }
  const newest = await client.loadHistory({ limit: 2 });
  assert.deepEqual(
    [newest.messages.map(({ content }) => content), newest.hasMore],
    [["two", "three"], true],
  );
  const older = await client.loadHistory({ before: 2 });
  assert.deepEqual([older.messages[0]?.content, older.hasMore], ["one", false]);
  double.tell("message_received", double.messages[1]!);
  await settle();
  assert.deepEqual(told.texts, []);
  client.disconnect();
  await assert.rejects(client.loadHistory(), (error: ChatError) => error.code === "disconnected");
});

test("what was read is told forward only, and as one", async (t) => {
  const double = await newDouble(t);
  const { client } = await newAgent(t, double);
  for (const seq of [1, 3, 2]) client.markRead(CONVERSATION, seq);
  await eventually(() => double.said("message_read").length === 1, "the receipt");
  assert.deepEqual(double.said("message_read"), [{ conversationId: CONVERSATION, seq: 3 }]);
});

// 003: acceptance 218, 259
test("typing is told every two seconds at most and ends three after the last key", async (t) => {
  const clock = newClock(t);
  const double = await newDouble(t);
  const { client } = await newCustomer(t, double);
  for (let key = 0; key < 10; key += 1) {
    client.sendTypingStart();
    clock.tick(500);
  }
  await eventually(() => double.said("typing_start").length === 3, "starts at 0, 2 and 4 s");
  clock.tick(1000);
  await eventually(() => double.said("typing_start").length === 4, "the key at 4.5 s, at 6 s");
  clock.tick(2000);
  await eventually(() => double.said("typing_stop").length === 1, "the stop");
  client.sendTypingStop();
  await settle();
  assert.deepEqual(double.said("typing_stop"), [CONVERSATION], "a second stop says nothing");
  assert.deepEqual(double.said("typing_start"), Array(4).fill(CONVERSATION));
});

test("a message ends its writer's typing", async (t) => {
  const double = await newDouble(t);
  const agent = await newAgent(t, double);
  const customer = await newCustomer(t, double);
  const seen: boolean[] = [];
  customer.client.onTypingIndicator(({ isTyping }) => seen.push(isTyping));
  agent.client.sendTypingStart(CONVERSATION);
  await acked((ack) => agent.client.sendMessage(CONVERSATION, "Done", ack));
  await eventually(() => seen.length === 2, "both indicators");
  assert.deepEqual(seen, [true, false]);
});

// 003: acceptance 219, 260
test("an agent's input tells once the keys pause for 300 ms, and stops on blur", (t) => {
  const clock = newClock(t);
  const input = new EventTarget();
  const told: string[] = [];
  const untie = bindTyping(input, {
    start: () => told.push("start"),
    stop: () => told.push("stop"),
  });
  const key = (waitMs: number) => {
    input.dispatchEvent(new Event("input"));
    clock.tick(waitMs);
  };
  for (const waitMs of [100, 299, 300]) key(waitMs);
  assert.deepEqual(told, ["start"]);
  key(100);
  input.dispatchEvent(new Event("blur"));
  clock.tick(1000);
  assert.deepEqual(told, ["start", "stop"]);
  untie();
  key(1000);
  assert.deepEqual(told, ["start", "stop"]);
});

test("the widget's input is tied to whatever conversation it is in", async (t) => {
  const double = await newDouble(t);
  const client = new WidgetWebSocketHandler();
  t.after(() => client.dispose());
  const input = new EventTarget();
  const untie = client.bindTyping(input);
  t.after(untie);
  client.connect(SESSION_KEY, double.url);
  assert.throws(() => client.sendMessage("nowhere"), /joinConversation\(\) comes/);
  input.dispatchEvent(new Event("input"));
  await client.joinConversation(CONVERSATION);
  input.dispatchEvent(new Event("input"));
  await eventually(() => double.said("typing_start").length === 1, "the start");
  input.dispatchEvent(new Event("blur"));
  await eventually(() => double.said("typing_stop").length === 1, "the stop");
});

test("connecting as somebody else ends the first connection", async (t) => {
  const double = await newDouble(t);
  const { client, told } = await newAgent(t, double);
  client.connect(tokenOf("agent_1"), double.url);
  await settle();
  assert.equal(double.auths.length, 1, "the same login is the same connection");
  client.connect(tokenOf("agent_2"), double.url);
  await eventually(() => client.user?.userId === "agent_2", "the second login");
  assert.equal(double.io.sockets.sockets.size, 1);
  assert.deepEqual(told.states, ["connected", "disconnected", "connected"]);
});

test("an address with a path is still a server and no namespace", async (t) => {
  const double = await newDouble(t);
  const client = new AdminWebSocketClient();
  t.after(() => client.dispose());
  const told = new Told(client);
  client.connect(tokenOf("agent_1"), `${double.url}/api/v1/`);
  await eventually(() => client.isConnected, "the connection");
  assert.deepEqual(told.states, ["connected"]);
});
