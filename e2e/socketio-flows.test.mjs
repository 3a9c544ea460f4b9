/**
 * The examples of document 003 as their readers would try them on a demo server: the lines for
 * the browser's console, the customer's flow and the agent's flow, by plain library calls.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  agent,
  connect,
  MODES,
  Peer,
  post,
  startConversation,
  startDemoServer,
} from "./socketio.mjs";

async function get(origin, path, token) {
  const response = await fetch(origin + path, { headers: { authorization: `Bearer ${token}` } });
  assert.equal(response.status, 200, path);
  return response.json();
}

for (const mode of MODES) {
  test(`${mode.name}: the lines for the browser's console work on a demo`, async (t) => {
    const { origin } = await startDemoServer(t);
    // 003: acceptance 229
    const asking = new Peer(t, origin, { sessionId: "test-session" }, mode);
    asking.socket.emit("join_conversation", "test-conv");
    asking.socket.emit("send_message", { conversationId: "test-conv", content: "Hello!" });
    const said = await asking.hears("message_received");
    assert.deepEqual([said.conversationId, said.content], ["test-conv", "Hello!"]);
    assert.equal(said.sender.role, "customer");
    assert.deepEqual(await asking.hears("joined_conversation"), { conversationId: "test-conv" });
    assert.deepEqual(asking.all("error"), []);
  });
}

test("the customer's and the agent's flow, from login to the last reply", async (t) => {
  const server = await startDemoServer(t);
  const { origin } = server;
  const customer = await startConversation(server);

  // The customer: connect, load the conversation, join, listen, send.
  const asking = new Peer(t, origin, { sessionId: customer.sessionId });
  await asking.ready();
  const history = `/api/messages?conversationId=${customer.conversation}`;
  const before = await get(origin, history, customer.token);
  assert.deepEqual(before, { messages: [], has_more: false });
  await asking.joins(customer.conversation);
  // 003: acceptance 259
  await asking.says(customer.conversation, "My order has not come.");

  // The agent: log in, connect with the token, be given who waits, load what was said, join.
  const credentials = { email: "dewi@demo.example", password: "demo" };
  const { token } = await post(origin, "/api/auth/login", credentials);
  const answering = new Peer(t, origin, { token });
  await answering.ready();
  await answering.hears("conversation_assigned");
  const { data: list } = await get(origin, "/api/sessions?status=assigned", token);
  const ids = list.sessions.map(({ session_id: id }) => id);
  assert.ok(ids.includes(customer.conversation), "the conversation it was given is listed");
  // 003: acceptance 260, 261
  const { messages } = await get(origin, history, token);
  assert.deepEqual(messages, [await asking.hears("message_received")]);
  await answering.joins(customer.conversation);

  // Typing, debounced by its client, and ended when the field is left.
  answering.socket.emit("typing_start", customer.conversation);
  const typing = await asking.hears("typing_indicator");
  assert.deepEqual([typing.userName, typing.isTyping], ["Dewi", true]);
  answering.socket.emit("typing_stop", customer.conversation);
  await asking.hears("typing_indicator", ({ isTyping }) => !isTyping);

  // The reply, by socket and, as a fallback, by REST.
  await answering.says(customer.conversation, "Let me see.");
  const body = { conversationId: customer.conversation, content: "It is on its way." };
  await post(origin, "/api/messages", body, token);
  const last = await asking.hears("message_received", ({ seq }) => seq === 3);
  assert.equal(last.sender.role, "admin");
  assert.deepEqual(asking.texts(), ["My order has not come.", "Let me see.", "It is on its way."]);

  // Clean up.
  asking.socket.disconnect();
  await answering.hears(
    "presence_update",
    ({ userId, status }) => userId === customer.userId && status === "offline",
  );
});

test("connecting, messages and typing are as quick as 003 wants them", async (t) => {
  const server = await startDemoServer(t);
  const customer = await startConversation(server);
  const answering = await connect(t, server.origin, agent({ role: "admin" }));
  await answering.joins(customer.conversation);
  const median = async (measure) => {
    const times = [];
    for (let round = 0; round < 9; round += 1) {
      const startedAt = performance.now();
      await measure(round);
      times.push(performance.now() - startedAt);
    }
    return times.sort((a, b) => a - b)[4];
  };
  const asking = [];
  const connecting = await median(async () => {
    asking.push(await connect(t, server.origin, customer));
  });
  const [{ socket }] = asking;
  const message = await median(async (round) => {
    socket.emit("send_message", { conversationId: customer.conversation, content: `${round}` });
    await answering.hears("message_received", ({ content }) => content === `${round}`);
  });
  const typing = await median(async (round) => {
    answering.forget();
    const isTyping = round % 2 === 0;
    socket.emit(isTyping ? "typing_start" : "typing_stop", customer.conversation);
    await answering.hears("typing_indicator", (told) => told.isTyping === isTyping);
  });
  // 003: acceptance 232, 233, 234
  assert.ok(connecting < 500, `connecting took ${connecting} ms`);
  assert.ok(message < 100, `a message took ${message} ms`);
  assert.ok(typing < 50, `typing took ${typing} ms`);
});
