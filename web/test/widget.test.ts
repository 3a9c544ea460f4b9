/** What the widget shows, folded from events, and how its lines are put in order. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { MessageReceived } from "@switchboard/client/socketio";
import { readWish } from "../src/widget/saved.ts";
import {
  emptyChat,
  fold,
  lastOfOthers,
  unreadBehind,
  withMessages,
  type Chat,
  type ChatEvent,
} from "../src/widget/state.ts";
import { timeline } from "../src/widget/timeline.ts";

const SELF = "customer_1";
const conversationId = "conv-123";
const timestamp = "2025-10-28T10:00:00.000Z";

function foldAll(...events: ChatEvent[]): Chat {
  return events.reduce((chat, event) => fold(chat, event, SELF), emptyChat);
}

function message(seq: number, userId = SELF, more: Partial<MessageReceived> = {}): MessageReceived {
  const role = userId === SELF ? "customer" : userId === "bot" ? "bot" : "admin";
  const sender = { userId, userName: userId, role } as const;
  const content = `text ${seq}`;
  return { conversationId, content, sender, timestamp, messageId: `m${seq}`, seq, ...more };
}

function said(seq: number, userId?: string): ChatEvent {
  return { type: "message_received", data: message(seq, userId) };
}

function handoff(from: string, to: string): ChatEvent {
  return { type: "conversation_handoff", data: { conversationId, from, to } };
}

test("the bot is in charge until it hands over, and the hand-over is told once", () => {
  assert.equal(foldAll(said(1), said(2, "bot")).charge, "bot");
  assert.deepEqual(foldAll(handoff("queue", "bot")).notices, []);
  const given = foldAll(said(1), handoff("queue", "bot"), handoff("bot", "queue"));
  assert.equal(given.charge, "queue");
  assert.deepEqual(
    given.notices.map(({ kind, afterSeq }) => [kind, afterSeq]),
    [["handoff", 1]],
  );
});

test("an agent is announced by name, and whoever writes as one is in charge", () => {
  const data = { conversationId, agent_id: "a1", agent_name: "Dewi" };
  const assigned = foldAll(
    { type: "conversation_queued", data: { conversationId, position: 2 } },
    { type: "conversation_assigned", data },
  );
  assert.deepEqual([assigned.charge, assigned.agentName, assigned.queue], ["agent", "Dewi", null]);
  assert.deepEqual(
    assigned.notices.map(({ kind, name }) => [kind, name]),
    [["assigned", "Dewi"]],
  );
  const missed = foldAll(said(1), said(2, "Agus"));
  assert.deepEqual([missed.charge, missed.agentName], ["agent", "Agus"]);
});

test("the place in the queue is the newest one told", () => {
  const queued = (position: number, estimated_wait_seconds: number): ChatEvent => ({
    type: "conversation_queued",
    data: { conversationId, position, estimated_wait_seconds },
  });
  assert.deepEqual(foldAll(queued(3, 120), queued(1, 20)).queue, { position: 1, waitSeconds: 20 });
});

test("a closed conversation is open again with the next message", () => {
  const closed = foldAll(said(1), { type: "conversation_closed", data: { conversationId } });
  assert.ok(closed.isClosed);
  assert.ok(withMessages(closed, [message(1)], SELF).isClosed, "the past opens nothing");
  assert.ok(!fold(closed, said(2), SELF).isClosed);
});

test("messages stand in order, each once, and receipts of others move the marks", () => {
  const page = withMessages(foldAll(said(3)), [message(1), message(3), message(2)], SELF);
  assert.deepEqual(
    page.messages.map(({ seq }) => seq),
    [1, 2, 3],
  );
  const receipt = (userId: string): ChatEvent => ({
    type: "message_status",
    data: { conversationId, seq: 2, userId, status: "read", timestamp },
  });
  assert.deepEqual(
    [fold(page, receipt(SELF), SELF).readSeq, fold(page, receipt("a"), SELF).readSeq],
    [0, 2],
  );
});

test("typing is shown of others only, and ends with what they have typed", () => {
  const typing = (userId: string, isTyping = true): ChatEvent => ({
    type: "typing_indicator",
    data: { conversationId, userId, isTyping },
  });
  assert.equal(foldAll(typing(SELF)).typing.length, 0);
  assert.equal(foldAll(typing("bot"), typing("bot")).typing.length, 1);
  for (const end of [typing("bot", false), said(1, "bot")]) {
    assert.equal(foldAll(typing("bot"), end).typing.length, 0);
  }
});

test("unread are those of others behind what was read", () => {
  const chat = foldAll(said(1), said(2, "bot"), said(3, "bot"), said(4));
  assert.equal(unreadBehind(chat, 2, SELF), 1);
  assert.equal(lastOfOthers(chat, SELF), 3);
});

test("lines come in runs of one writer, with days and notices between them", () => {
  const later = (minutes: number) =>
    new Date(Date.parse(timestamp) + minutes * 60_000).toISOString();
  const messages = [
    message(1),
    message(2),
    message(3, "bot"),
    message(4, "bot", { timestamp: later(6) }),
    message(5, "bot", { timestamp: later(3 * 24 * 60) }),
  ];
  const chat = { ...withMessages(emptyChat, messages, SELF) };
  const notices = [{ key: 1, kind: "handoff" as const, afterSeq: 3 }];
  const lines = timeline({ ...chat, notices }, SELF).map((item) =>
    item.kind === "message"
      ? `${item.key}${item.isFirst ? " first" : ""}${item.isLast ? " last" : ""}`
      : item.key,
  );
  assert.deepEqual(lines, [
    "d1",
    "m1 first",
    "m2 last",
    "m3 first last",
    "n1",
    "m4 first last",
    "d5",
    "m5 first last",
  ]);
});

test("the address says language, tenant, conversation and name, and nothing is needed", () => {
  assert.deepEqual(readWish("?lang=id-ID&tenant=acme&conversation=order-7&name=Budi"), {
    language: "id",
    tenant: "acme",
    conversation: "order-7",
    name: "Budi",
  });
  assert.deepEqual(Object.values(readWish("?lang=&tenant=%20")), Array(4).fill(undefined));
});
