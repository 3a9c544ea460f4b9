/** What a screen shows, folded from frames. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  emptyConversation,
  fold,
  isAbandoned,
  isWaiting,
  type Conversation,
} from "../src/session/conversation.ts";
import type { MessageData, ServerFrame, UserType } from "../src/session/frames.ts";
import { message, SESSION } from "./fake-socket.ts";

const SELF = "agent_1";
const at = "2025-01-24T10:30:00Z";

function foldAll(...frames: ServerFrame[]): Conversation {
  return frames.reduce((state, frame) => fold(state, frame, SELF, 0), emptyConversation);
}

function said(seq: number, userId = "customer_1"): ServerFrame {
  return {
    type: "message",
    data: message(seq, { user_id: userId, user_type: "customer" }) as MessageData,
  };
}

function here(users: Record<string, UserType>, event: object = {}): ServerFrame {
  const count = (type: UserType) => Object.values(users).filter((each) => each === type).length;
  const entries = Object.entries(users).map(([user_id, user_type]) => [
    user_id,
    { user_id, user_type, joined_at: at },
  ]);
  const connection_status = {
    users: Object.fromEntries(entries),
    customer_connected: count("customer") > 0,
    agent_connected: count("agent") > 0,
    total_customer: count("customer"),
    total_agent: count("agent"),
  };
  const data = { session_id: SESSION, connection_status, timestamp: at, ...event };
  return { type: "connection_status_update", data };
}

test("messages stand in order of seq, each once, wherever they come from", () => {
  const history: ServerFrame = {
    type: "history",
    data: { messages: [message(1), message(2)] as MessageData[], has_more: true },
  };
  const state = foldAll(said(3), history, said(2), said(4));
  assert.deepEqual(
    state.messages.map(({ seq }) => seq),
    [1, 2, 3, 4],
  );
  assert.ok(state.hasMore);
});

test("receipts of others move the marks forward; one's own do not", () => {
  const receipt = (seq: number, user_id: string, status: "delivered" | "read"): ServerFrame => ({
    type: "message_status",
    data: { session_id: SESSION, seq, user_id, status, timestamp: at },
  });
  const marks = ({ deliveredSeq, readSeq }: Conversation) => [deliveredSeq, readSeq];
  assert.deepEqual(marks(foldAll(receipt(2, "customer_1", "delivered"))), [2, 0]);
  assert.deepEqual(marks(foldAll(receipt(2, "customer_1", "read"))), [2, 2]);
  assert.deepEqual(marks(foldAll(receipt(2, SELF, "read"))), [0, 0]);
  const late = foldAll(receipt(5, "customer_1", "read"), receipt(3, "customer_1", "delivered"));
  assert.deepEqual(marks(late), [5, 5]);
});

test("joins and leaves of others become notices between the messages", () => {
  const both = { customer_1: "customer", [SELF]: "agent" } as const;
  const state = foldAll(
    here({ [SELF]: "agent" }, { event_type: "user_connected", event_user_id: SELF }),
    here(both, { event_type: "user_connected", event_user_id: "customer_1" }),
    said(1),
    here(
      { [SELF]: "agent" },
      {
        event_type: "user_disconnected",
        event_user_id: "customer_1",
        disconnect_reason: "network_error",
      },
    ),
    here(both, { event_type: "user_connected", event_user_id: "customer_1", reconnected: true }),
    here(both),
  );
  assert.deepEqual(
    state.notices.map((notice) => {
      assert.ok("userId" in notice, notice.kind);
      const { kind, userId, afterSeq, text } = notice;
      return [kind, userId, afterSeq, text];
    }),
    [
      ["joined", "customer_1", 0, undefined],
      ["left", "customer_1", 1, "network_error"],
      ["returned", "customer_1", 1, undefined],
    ],
  );
});

test("a customer without an agent waits; an agent whose customer left is alone", () => {
  assert.ok(isWaiting(foldAll(here({ customer_1: "customer" })).status));
  assert.ok(isWaiting(foldAll(here({ customer_1: "customer", boss: "admin" })).status));
  assert.ok(!isWaiting(foldAll(here({ customer_1: "customer", [SELF]: "agent" })).status));
  assert.ok(!isAbandoned(foldAll(here({ [SELF]: "agent" }))), "nobody was here to leave");
  const left = foldAll(
    here({ customer_1: "customer", [SELF]: "agent" }),
    here({ [SELF]: "agent" }),
  );
  assert.ok(isAbandoned(left));
});

test("typing ends with a stop, a message, a leave or a new connection", () => {
  const typing = (is_typing: boolean): ServerFrame => ({
    type: "typing_indicator",
    data: { session_id: SESSION, user_id: "customer_1", user_type: "customer", is_typing },
  });
  const established = { type: "connection_established", data: {} } as ServerFrame;
  assert.equal(foldAll(typing(true), typing(true)).typing.length, 1);
  for (const end of [typing(false), said(1), here({ [SELF]: "agent" }), established]) {
    assert.equal(foldAll(typing(true), end).typing.length, 0, end.type);
  }
});

test("frames nobody knows change nothing", () => {
  const strange = { type: "something_new", data: {} } as unknown as ServerFrame;
  assert.equal(fold(emptyConversation, strange, SELF), emptyConversation);
});

const session_id = SESSION;

function queued(position: number, estimated_wait_seconds: number): ServerFrame {
  return {
    type: "conversation_queued",
    data: { session_id, position, estimated_wait_seconds, department_id: null },
  };
}

const assigned: ServerFrame = {
  type: "conversation_assigned",
  data: { session_id, agent_id: SELF, agent_name: "Dewi", department_id: null },
};

const lost: ServerFrame = {
  type: "conversation_handoff",
  data: { session_id, from: "agent", to: "queue", reason: "agent_lost", agent_id: SELF },
};

const kinds = ({ notices }: Conversation) => notices.map(({ kind }) => kind);

test("a place in the queue is news once, and then the place alone changes", () => {
  const waiting = foldAll(queued(3, 180), queued(2, 120), queued(1, 0));
  assert.deepEqual(waiting.queue, { position: 1, waitSeconds: 0 });
  assert.deepEqual(kinds(waiting), ["conversation_queued"]);
  const served = foldAll(queued(1, 60), assigned);
  assert.deepEqual([served.queue, served.agentName], [null, "Dewi"]);
});

test("a conversation that lost its agent waits anew, and that is told", () => {
  const state = foldAll(queued(1, 60), assigned, lost, queued(1, 60));
  assert.deepEqual([state.queue?.position, state.agentName], [1, null]);
  assert.deepEqual(kinds(state), [
    "conversation_queued",
    "conversation_assigned",
    "conversation_handoff",
    "conversation_queued",
  ]);
});

test("opening hours stand until somebody takes it", () => {
  const opens_at = "2025-01-25T01:00:00.000Z";
  const type = "conversation_outside_hours";
  const closed: ServerFrame = { type, data: { session_id, opens_at } };
  const unknown: ServerFrame = { type, data: { session_id } };
  assert.deepEqual(foldAll(queued(1, 60), closed).outsideHours, { opensAt: opens_at });
  assert.deepEqual(foldAll(unknown, queued(1, 60)).outsideHours, { opensAt: null });
  assert.equal(foldAll(closed, queued(1, 60), assigned).outsideHours, null);
});

test("an escalation is told and leaves it where it waits", () => {
  const escalated: ServerFrame = {
    type: "conversation_escalated",
    data: { session_id, waited_seconds: 120, rule: "supervisors", action: "supervisors" },
  };
  const state = foldAll(queued(1, 60), escalated);
  assert.deepEqual(state.queue, { position: 1, waitSeconds: 60 });
  assert.deepEqual(kinds(state), ["conversation_queued", "conversation_escalated"]);
});

test("the assignment says who takes it, so the handoff to that agent says nothing", () => {
  const toAgent: ServerFrame = {
    type: "conversation_handoff",
    data: { session_id, from: "bot", to: "agent", reason: "taken" },
  };
  assert.deepEqual(kinds(foldAll(toAgent, assigned)), ["conversation_assigned"]);
});
