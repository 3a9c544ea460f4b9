/**
 * What the people in a conversation see of each other, on every transport: typing, presence,
 * receipts, coming and going. Each row of the table is one promise of document 003, or of ours.
 */
import assert from "node:assert/strict";
import { agent, connect, meet, post, testOnEveryTransport } from "./socketio.mjs";

const RFC3339_MS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

const FLOW = {
  "typing is heard by the other side, and ended by the server": async (t, server, mode) => {
    const { conversation, customer, asking, answering } = await meet(t, server, mode);
    asking.socket.emit("typing_start", conversation);
    const typing = {
      conversationId: conversation,
      userId: customer.userId,
      userName: "Budi",
      role: "customer",
      userType: "customer",
    };
    // 003: acceptance 194, 200
    const started = await answering.hears("typing_indicator");
    const startedAt = Date.now();
    assert.deepEqual(started, { ...typing, isTyping: true });
    const ended = await answering.hears("typing_indicator", ({ isTyping }) => !isTyping);
    const lastedMs = Date.now() - startedAt;
    assert.deepEqual(ended, { ...typing, isTyping: false });
    // 003: acceptance 218
    assert.ok(lastedMs > 2500 && lastedMs < 4000, `typing lasted ${lastedMs} ms`);
    await asking.says(conversation, "done");
    await asking.hears("message_received");
    assert.deepEqual(asking.all("typing_indicator"), [], "nobody hears of their own typing");
  },

  "typing ends when it is stopped, without naming the one conversation": async (
    t,
    server,
    mode,
  ) => {
    const { asking, answering } = await meet(t, server, mode);
    const startedAt = Date.now();
    answering.socket.emit("typing_start");
    await asking.hears("typing_indicator", ({ isTyping }) => isTyping);
    answering.socket.emit("typing_stop");
    // 003: acceptance 189, 195
    await asking.hears("typing_indicator", ({ isTyping }) => !isTyping);
    assert.ok(Date.now() - startedAt < 2500, "stopped by the typist, not by the clock");
  },

  "who leaves hears nothing more": async (t, server, mode) => {
    const { conversation: conversationId, asking, answering } = await meet(t, server, mode);
    // 003: acceptance 192, 198, 215
    assert.deepEqual(await answering.asks("leave_conversation", conversationId), {
      success: true,
      conversationId,
    });
    assert.deepEqual(await answering.hears("left_conversation"), { conversationId });
    await asking.says(conversationId, "are you there?");
    await answering.joins(conversationId);
    await asking.says(conversationId, "welcome back");
    await answering.hears("message_received", ({ content }) => content === "welcome back");
    assert.deepEqual(answering.texts(), ["welcome back"]);
  },

  "presence is told when a user comes and when the last socket goes": async (t, server, mode) => {
    const { conversation, agent: dewi, asking, answering } = await meet(t, server, mode);
    await post(server.origin, `/api/sessions/${conversation}/assign`, {}, dewi.token);
    const colleague = agent({ name: "Agus" });
    const second = await connect(t, server.origin, colleague, mode);
    const isOf = (userId, status) => (told) => told.userId === userId && told.status === status;
    // 003: acceptance 171, 201
    const online = await answering.hears("presence_update", isOf(colleague.userId, "online"));
    assert.deepEqual(Object.keys(online).sort(), ["status", "timestamp", "userId"]);
    assert.match(online.timestamp, RFC3339_MS);
    second.socket.disconnect();
    await answering.hears("presence_update", isOf(colleague.userId, "offline"));
    answering.socket.disconnect();
    await asking.hears("presence_update", isOf(dewi.userId, "offline"));
    const strangers = asking.all("presence_update", ({ userId }) => userId === colleague.userId);
    assert.deepEqual(strangers, [], "a customer hears of its own conversation's people only");
  },

  "marks go from delivered to read": async (t, server, mode) => {
    const {
      conversation: conversationId,
      agent: dewi,
      asking,
      answering,
    } = await meet(t, server, mode);
    await asking.says(conversationId, "one");
    await asking.says(conversationId, "two");
    const delivered = await asking.hears("message_status", ({ seq }) => seq === 2);
    const { timestamp, ...mark } = delivered;
    assert.deepEqual(mark, { conversationId, seq: 2, userId: dewi.userId, status: "delivered" });
    assert.match(timestamp, RFC3339_MS);
    await answering.does("message_read", { conversationId, seq: 2 });
    const read = await asking.hears("message_status", ({ status }) => status === "read");
    assert.deepEqual([read.seq, read.userId], [2, dewi.userId]);
  },

  "the status of the conversation comes with every coming and going": async (t, server, mode) => {
    const { conversation, customer, agent: dewi, asking, answering } = await meet(t, server, mode);
    const of = (userId, what) => (told) =>
      told.event_user_id === userId && told.event_type === what;
    const came = await asking.hears("connection_status_update", of(dewi.userId, "user_connected"));
    assert.deepEqual([came.conversationId, came.session_id], [conversation, conversation]);
    const { users, ...status } = came.connection_status;
    assert.deepEqual(status, {
      customer_connected: true,
      agent_connected: true,
      total_customer: 1,
      total_agent: 1,
    });
    assert.deepEqual(Object.keys(users).sort(), [customer.userId, dewi.userId].sort());
    answering.socket.disconnect();
    // 003: acceptance 217
    const went = await asking.hears(
      "connection_status_update",
      of(dewi.userId, "user_disconnected"),
    );
    assert.equal(went.disconnect_reason, "client_close");
    assert.equal(went.connection_status.agent_connected, false);
    const again = await connect(t, server.origin, dewi, mode);
    await again.joins(conversation);
    const back = await asking.hears("connection_status_update", ({ reconnected }) => reconnected);
    assert.equal(back.event_user_id, dewi.userId);
    assert.ok(back.away_ms >= 0 && back.away_ms < 30_000, `away for ${back.away_ms} ms`);
  },
};

testOnEveryTransport(FLOW);
