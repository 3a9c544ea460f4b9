/**
 * What the widget shows of a conversation, folded event by event from what the server says. Pure:
 * it knows neither sockets nor words. A new event is one more case in `fold`.
 */
import type {
  ConversationEvents,
  MessageReceived,
  MessageStatus,
  ServerEvents,
  TypingIndicator,
} from "@switchboard/client/socketio";

/** Who answers: the bot, nobody yet, or an agent. */
export type Charge = "bot" | "queue" | "agent";

/** Something that happened between two messages. */
export interface Notice {
  key: number;
  kind: "handoff" | "assigned" | "transferred" | "lost" | "escalated" | "closed" | "reopened";
  /** Stands behind the message with this `seq`; 0 is before the first. */
  afterSeq: number;
  name?: string;
}

export interface Chat {
  /** Ascending by `seq`, each once. */
  messages: readonly MessageReceived[];
  hasMore: boolean;
  notices: readonly Notice[];
  typing: readonly TypingIndicator[];
  charge: Charge;
  agentName: string | null;
  queue: { position: number; waitSeconds: number | null } | null;
  /** It waits outside opening hours; `opensAt` is RFC 3339, `null` if unknown. */
  outsideHours: { opensAt: string | null } | null;
  isClosed: boolean;
  /** How far the others have received and read. */
  deliveredSeq: number;
  readSeq: number;
}

export const emptyChat: Chat = {
  messages: [],
  hasMore: false,
  notices: [],
  typing: [],
  charge: "bot",
  agentName: null,
  queue: null,
  outsideHours: null,
  isClosed: false,
  deliveredSeq: 0,
  readSeq: 0,
};

/** The events that the widget follows. */
export const FOLLOWED = [
  "message_received",
  "typing_indicator",
  "message_status",
  "conversation_queued",
  "conversation_assigned",
  "conversation_transferred",
  "conversation_handoff",
  "conversation_escalated",
  "conversation_outside_hours",
  "conversation_closed",
  "conversation_reopened",
] as const satisfies readonly (keyof ServerEvents)[];

export type Followed = (typeof FOLLOWED)[number];

export type ChatEvent = { [T in Followed]: { type: T; data: ServerEvents[T] } }[Followed];

/** The chat after `event`, as the customer `selfId` sees it. */
export function fold(chat: Chat, event: ChatEvent, selfId: string): Chat {
  switch (event.type) {
    case "message_received":
      return withMessages(chat, [event.data], selfId);
    case "typing_indicator":
      return event.data.userId === selfId ? chat : foldTyping(chat, event.data);
    case "message_status":
      return event.data.userId === selfId ? chat : foldStatus(chat, event.data);
    case "conversation_queued":
      return { ...chat, queue: placeOf(event.data) };
    case "conversation_assigned":
      return foldAssigned(chat, event.data);
    case "conversation_transferred":
      return foldTransferred(chat, event.data);
    case "conversation_handoff":
      return foldHandoff(chat, event.data);
    case "conversation_escalated":
      return foldEscalated(chat, event.data);
    case "conversation_outside_hours":
      return { ...chat, outsideHours: { opensAt: event.data.opens_at ?? null } };
    case "conversation_closed":
      return withNotice(served({ ...chat, isClosed: true, typing: [] }), { kind: "closed" });
    case "conversation_reopened":
      return withNotice({ ...chat, isClosed: false }, { kind: "reopened" });
  }
}

/** The chat with these messages in it, wherever they come from. */
export function withMessages(chat: Chat, added: readonly MessageReceived[], selfId: string): Chat {
  if (added.length === 0) return chat;
  const bySeq = new Map(chat.messages.map((message) => [message.seq, message]));
  for (const message of added) bySeq.set(message.seq, message);
  const messages = [...bySeq.values()].sort((one, other) => one.seq - other.seq);
  const ofOthers = added.filter(({ sender }) => sender.userId !== selfId);
  const writers = new Set(ofOthers.map(({ sender }) => sender.userId));
  const people = messages.filter(({ sender }) => sender.role === "admin");
  const agentName = people.at(-1)?.sender.userName ?? chat.agentName;
  return {
    ...chat,
    messages,
    agentName,
    // A person who writes is in charge, whatever else has been missed.
    charge: ofOthers.some(({ sender }) => sender.role === "admin") ? "agent" : chat.charge,
    // A message after the close opens it again; one of the past does not.
    isClosed: chat.isClosed && messages.at(-1)?.seq === chat.messages.at(-1)?.seq,
    typing: chat.typing.filter(({ userId }) => !writers.has(userId)),
    // Whoever answers has received what stood before.
    deliveredSeq: Math.max(chat.deliveredSeq, ...ofOthers.map(({ seq }) => seq)),
  };
}

/** Ends the typing of everyone; for a lost connection, or when the end itself was lost. */
export function withoutTyping(chat: Chat): Chat {
  return chat.typing.length === 0 ? chat : { ...chat, typing: [] };
}

/** Nobody but a person is to answer from now on. */
export function handedOver(chat: Chat): Chat {
  return chat.charge === "bot" ? { ...chat, charge: "queue" } : chat;
}

/** The newest message that is not the customer's own; 0 without one. */
export function lastOfOthers({ messages }: Chat, selfId: string): number {
  return messages.findLast(({ sender }) => sender.userId !== selfId)?.seq ?? 0;
}

/** How many messages of others stand behind `seq`. */
export function unreadBehind({ messages }: Chat, seq: number, selfId: string): number {
  return messages.filter((each) => each.seq > seq && each.sender.userId !== selfId).length;
}

function foldTyping(chat: Chat, data: TypingIndicator): Chat {
  const others = chat.typing.filter(({ userId }) => userId !== data.userId);
  return { ...chat, typing: data.isTyping ? [...others, data] : others };
}

function foldStatus(chat: Chat, { status, seq }: MessageStatus): Chat {
  return {
    ...chat,
    deliveredSeq: Math.max(chat.deliveredSeq, seq),
    readSeq: status === "read" ? Math.max(chat.readSeq, seq) : chat.readSeq,
  };
}

type DataOf<T extends keyof ConversationEvents> = ConversationEvents[T];

function foldAssigned(chat: Chat, { agent_name }: DataOf<"conversation_assigned">): Chat {
  const next: Chat = { ...served(chat), charge: "agent", agentName: agent_name };
  return withNotice(next, { kind: "assigned", name: agent_name });
}

/** To an agent, who is not named here, or to a queue, of which the place comes next. */
function foldTransferred(chat: Chat, data: DataOf<"conversation_transferred">): Chat {
  const charge = data.to_agent_id === undefined ? "queue" : "agent";
  return withNotice({ ...served(chat), charge, agentName: null }, { kind: "transferred" });
}

function foldHandoff(chat: Chat, { from, to, reason }: DataOf<"conversation_handoff">): Chat {
  if (to !== "queue") return { ...served(chat), charge: to };
  const next: Chat = { ...chat, charge: "queue" };
  if (reason === "agent_lost") return withNotice({ ...next, agentName: null }, { kind: "lost" });
  // An agent is announced by name, with the assignment; the bot needs no announcement.
  return from === "bot" ? withNotice(next, { kind: "handoff" }) : next;
}

/** What the bot says itself, or asks in a message, is not announced as well. */
function foldEscalated(chat: Chat, { action }: DataOf<"conversation_escalated">): Chat {
  const isTold = action === "bot" || action === "offline_message";
  return isTold ? chat : withNotice(chat, { kind: "escalated" });
}

/** It does not wait any more. */
function served(chat: Chat): Chat {
  return { ...chat, queue: null, outsideHours: null };
}

function placeOf(data: DataOf<"conversation_queued">): Chat["queue"] {
  return { position: data.position, waitSeconds: data.estimated_wait_seconds ?? null };
}

function withNotice(chat: Chat, notice: Omit<Notice, "key" | "afterSeq">): Chat {
  const key = (chat.notices.at(-1)?.key ?? 0) + 1;
  const afterSeq = chat.messages.at(-1)?.seq ?? 0;
  return { ...chat, notices: [...chat.notices, { ...notice, key, afterSeq }] };
}
