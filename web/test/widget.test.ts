/** What the widget shows, folded from events, and how its lines are put in order. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { EscalatedData, InCharge } from "@switchboard/client/session";
import type { MessageReceived } from "@switchboard/client/socketio";
import { isPast, momentWords } from "../src/ui/moments.ts";
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
const about = { conversationId, session_id: "550e8400-e29b-41d4-a716-446655440000" };
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

function handoff(from: InCharge, to: InCharge, reason = "asked"): ChatEvent {
  return { type: "conversation_handoff", data: { ...about, from, to, reason } };
}

function queued(position: number, estimated_wait_seconds = 60): ChatEvent {
  return { type: "conversation_queued", data: { ...about, position, estimated_wait_seconds } };
}

const assigned: ChatEvent = {
  type: "conversation_assigned",
  data: { ...about, agent_id: "a1", agent_name: "Dewi", department_id: null },
};

function escalated(action: EscalatedData["action"]): ChatEvent {
  const data = { ...about, waited_seconds: 120, rule: action, action };
  return { type: "conversation_escalated", data };
}

const kinds = ({ notices }: Chat) => notices.map(({ kind }) => kind);

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
  const chat = foldAll(queued(2), assigned);
  assert.deepEqual([chat.charge, chat.agentName, chat.queue], ["agent", "Dewi", null]);
  assert.deepEqual(
    chat.notices.map(({ kind, name }) => [kind, name]),
    [["assigned", "Dewi"]],
  );
  const missed = foldAll(said(1), said(2, "Agus"));
  assert.deepEqual([missed.charge, missed.agentName], ["agent", "Agus"]);
});

test("the place in the queue is the newest one told", () => {
  assert.deepEqual(foldAll(queued(3, 120), queued(1, 20)).queue, { position: 1, waitSeconds: 20 });
});

test("whoever loses its agent waits again, and is told", () => {
  const chat = foldAll(queued(1), assigned, handoff("agent", "queue", "agent_lost"), queued(1));
  assert.deepEqual([chat.charge, chat.agentName, chat.queue?.position], ["queue", null, 1]);
  assert.deepEqual(kinds(chat), ["assigned", "lost"]);
});

test("a transfer to an agent ends the wait, one to a department begins another", () => {
  const to = (target: object): ChatEvent => ({
    type: "conversation_transferred",
    data: { ...about, from_agent_id: "a1", ...target },
  });
  const agent = foldAll(assigned, to({ to_agent_id: "a2" }));
  assert.deepEqual([agent.charge, agent.agentName], ["agent", null]);
  const department = foldAll(assigned, to({ to_department_id: "d2" }), queued(4));
  assert.deepEqual([department.charge, department.queue?.position], ["queue", 4]);
});

test("opening hours are known until somebody comes", () => {
  const opens_at = "2025-10-29T01:00:00.000Z";
  const closed: ChatEvent = { type: "conversation_outside_hours", data: { ...about, opens_at } };
  assert.deepEqual(foldAll(queued(1), closed).outsideHours, { opensAt: opens_at });
  assert.equal(foldAll(queued(1), closed, assigned).outsideHours, null);
  assert.equal(foldAll(queued(1), closed, handoff("queue", "bot")).outsideHours, null);
});

test("an escalation is told unless a message of the bot tells it", () => {
  assert.deepEqual(kinds(foldAll(escalated("supervisors"), escalated("department"))), [
    "escalated",
    "escalated",
  ]);
  assert.deepEqual(kinds(foldAll(escalated("bot"), escalated("offline_message"))), []);
});

test("a moment to come is told as shortly as it is clear", () => {
  const now = new Date(2025, 0, 24, 18, 0).getTime();
  const words = (...at: [number, number, number, number]) =>
    momentWords(new Date(...at, 0).toISOString(), "id", now);
  assert.equal(words(2025, 0, 24, 20), "20.00");
  assert.equal(words(2025, 0, 27, 8), "Senin 08.00");
  assert.equal(words(2025, 1, 24, 8), "24 Februari");
  assert.equal(momentWords(null, "id", now), undefined);
  assert.equal(momentWords("soon", "id", now), undefined);
  assert.deepEqual([isPast("2020-01-01T00:00:00Z", now), isPast(null, now)], [true, false]);
});

test("a closed conversation is open again with the next message", () => {
  const closed = foldAll(said(1), {
    type: "conversation_closed",
    data: { ...about, by: "a1" },
  });
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
