/**
 * What a screen shows of one session, folded frame by frame from what the server says: messages
 * in order, how far the others have received and read, who is here, who is typing, and what
 * happened in between.
 *
 * Pure. It knows neither sockets nor words: `Notice` says what happened, the screen says it in the
 * user's language. A new frame is one more case in `fold`.
 */
import type {
  ConnectionStatus,
  Lifecycle,
  LifecycleFrame,
  LifecycleType,
  MessageData,
  ReceiptData,
  ServerFrame,
  StatusUpdateData,
  TypingData,
} from "./frames.ts";

/** How many notices are kept; older ones fall off. */
const NOTICES_MAX = 100;

/** What happened, and what the server said of it. */
export type Happened =
  | { kind: "joined" | "returned" | "left"; userId: string; text?: string }
  | { kind: "error" | "notification"; text: string }
  | { kind: "resync" }
  | { [T in LifecycleType]: { kind: T; data: Lifecycle[T] } }[LifecycleType];

export type NoticeKind = Happened["kind"];

/** Something that happened between two messages. */
export type Notice = Happened & {
  key: number;
  /** Stands behind the message with this `seq`; 0 is before the first. */
  afterSeq: number;
  /** Milliseconds since the epoch. */
  at: number;
};

export interface Conversation {
  /** Ascending by `seq`, each once. */
  messages: readonly MessageData[];
  /** Whether older messages can be asked for. */
  hasMore: boolean;
  notices: readonly Notice[];
  status: ConnectionStatus | null;
  /** Whether a customer has ever been seen here. */
  customerSeen: boolean;
  typing: readonly TypingData[];
  /** How far the others have received and read. */
  deliveredSeq: number;
  readSeq: number;
  /** Its place among those who wait, from 1, while it waits. */
  queue: { position: number; waitSeconds: number | null } | null;
  /** It waits outside the hours of its department; `opensAt` is RFC 3339, `null` if unknown. */
  outsideHours: { opensAt: string | null } | null;
  /** Who has it, by name; `null` when nobody has, or nobody has said so. */
  agentName: string | null;
}

export const emptyConversation: Conversation = {
  messages: [],
  hasMore: false,
  notices: [],
  status: null,
  customerSeen: false,
  typing: [],
  deliveredSeq: 0,
  readSeq: 0,
  queue: null,
  outsideHours: null,
  agentName: null,
};

/** The conversation after `frame`, as `selfId` sees it at `now` (milliseconds since the epoch). */
export function fold(
  state: Conversation,
  frame: ServerFrame,
  selfId: string,
  now: number = Date.now(),
): Conversation {
  switch (frame.type) {
    case "connection_established":
      // Typing is never repeated after a break, so what was shown before may have ended.
      return { ...state, typing: [] };
    case "connection_status_update":
      return foldStatus(state, frame.data, selfId, now);
    case "message":
      return foldMessages(state, [frame.data], selfId);
    case "history":
      return { ...foldMessages(state, frame.data.messages, selfId), hasMore: frame.data.has_more };
    case "message_status":
      return frame.data.user_id === selfId ? state : foldReceipt(state, frame.data);
    case "typing_indicator":
      return foldTyping(state, frame.data);
    case "resync":
      return withNotice({ ...state, messages: [], hasMore: false }, { kind: "resync" }, now);
    case "error":
      return withNotice(state, { kind: "error", text: frame.data.message }, now);
    case "notification":
      return withNotice(state, { kind: "notification", ...titleOf(frame.data) }, now);
    case "conversation_queued":
      return foldQueued(state, frame, now);
    case "conversation_assigned":
      return happened(taken(state, frame.data.agent_name), frame, now);
    case "conversation_transferred":
    case "conversation_closed":
      return happened(taken(state, null), frame, now);
    case "conversation_handoff":
      return foldHandoff(state, frame, now);
    case "conversation_outside_hours": {
      const outsideHours = { opensAt: frame.data.opens_at ?? null };
      return happened({ ...state, outsideHours }, frame, now);
    }
    case "conversation_escalated":
    case "conversation_reopened":
    case "conversation_rated":
    case "conversation_offered":
    case "conversation_offer_ended":
      return happened(state, frame, now);
    default:
      return state;
  }
}

/** Ends the typing of everyone; for a lost connection, or when the end itself was lost. */
export function withoutTyping(state: Conversation): Conversation {
  return state.typing.length === 0 ? state : { ...state, typing: [] };
}

/** A customer is here and nobody answers. */
export function isWaiting(status: ConnectionStatus | null): boolean {
  return status !== null && status.customer_connected && !status.agent_connected;
}

/** An agent is here and the customer, who was, is not. */
export function isAbandoned({ status, customerSeen }: Conversation): boolean {
  return customerSeen && status !== null && !status.customer_connected && status.agent_connected;
}

function foldStatus(
  state: Conversation,
  data: StatusUpdateData,
  selfId: string,
  now: number,
): Conversation {
  const status = data.connection_status;
  const userId = data.event_user_id;
  const next: Conversation = {
    ...state,
    status,
    customerSeen: state.customerSeen || status.customer_connected,
    typing: state.typing.filter((typist) => typist.user_id in status.users),
  };
  if (!userId || userId === selfId) return next;
  if (data.event_type === "user_connected") {
    return withNotice(next, { kind: data.reconnected ? "returned" : "joined", userId }, now);
  }
  if (data.event_type !== "user_disconnected") return next;
  const reason = data.disconnect_reason;
  return withNotice(next, { kind: "left", userId, ...(reason && { text: reason }) }, now);
}

function foldMessages(
  state: Conversation,
  added: readonly MessageData[],
  selfId: string,
): Conversation {
  if (added.length === 0) return state;
  const bySeq = new Map(state.messages.map((message) => [message.seq, message]));
  for (const message of added) bySeq.set(message.seq, message);
  const senders = new Set(added.map((message) => message.user_id));
  return {
    ...state,
    messages: [...bySeq.values()].sort((one, other) => one.seq - other.seq),
    customerSeen: state.customerSeen || added.some(({ user_type }) => user_type === "customer"),
    typing: state.typing.filter((typist) => !senders.has(typist.user_id)),
    // Whoever answers has received what stood before, whether or not a receipt says so.
    deliveredSeq: Math.max(
      state.deliveredSeq,
      ...added.filter(({ user_id }) => user_id !== selfId).map(({ seq }) => seq),
    ),
  };
}

function foldReceipt(state: Conversation, { status, seq }: ReceiptData): Conversation {
  return {
    ...state,
    deliveredSeq: Math.max(state.deliveredSeq, seq),
    readSeq: status === "read" ? Math.max(state.readSeq, seq) : state.readSeq,
  };
}

function foldTyping(state: Conversation, data: TypingData): Conversation {
  const others = state.typing.filter((typist) => typist.user_id !== data.user_id);
  return { ...state, typing: data.is_typing ? [...others, data] : others };
}

function foldQueued(state: Conversation, frame: FrameOf<"conversation_queued">, now: number) {
  const { position, estimated_wait_seconds } = frame.data;
  const queue = { position, waitSeconds: estimated_wait_seconds ?? null };
  const next: Conversation = { ...state, queue, agentName: null };
  // A new place in the queue is shown where the old one was.
  return state.queue === null ? happened(next, frame, now) : next;
}

/** Who gets it from the bot or the queue is told with the assignment. */
function foldHandoff(state: Conversation, frame: FrameOf<"conversation_handoff">, now: number) {
  const { to } = frame.data;
  if (to === "agent") return state;
  const next = to === "queue" ? { ...state, agentName: null } : taken(state, null);
  return happened(next, frame, now);
}

/** It does not wait any more. */
function taken(state: Conversation, agentName: string | null): Conversation {
  return { ...state, queue: null, outsideHours: null, agentName };
}

type FrameOf<T extends LifecycleType> = Extract<ServerFrame, { type: T }>;

function happened(state: Conversation, frame: LifecycleFrame, at: number): Conversation {
  return withNotice(state, { kind: frame.type, data: frame.data } as Happened, at);
}

function withNotice(state: Conversation, what: Happened, at: number): Conversation {
  const key = (state.notices.at(-1)?.key ?? 0) + 1;
  const afterSeq = state.messages.at(-1)?.seq ?? 0;
  const notices = [...state.notices, { ...what, key, afterSeq, at }].slice(-NOTICES_MAX);
  return { ...state, notices };
}

function titleOf(data: Record<string, unknown>): { text: string } {
  const text = data["title"] ?? data["message"] ?? data["kind"];
  return { text: typeof text === "string" ? text : "" };
}
