/**
 * The words of the Socket.IO dialect (document 003): what the server says, what it answers, and
 * what the client adds about itself. Types only; a new event is one more line of `ServerEvents`.
 */
import type { Outgoing } from "../core/outbox.ts";
import type { ConnectionStatus } from "../session/frames.ts";
import type { Lifecycle, LifecycleType } from "../session/lifecycle.ts";

/** Document 003's roles: agents and admins are `admin` here. */
export type SenderRole = "admin" | "customer" | "bot";

/** Who said something; `userType` is the role as everywhere else. */
export interface Sender {
  userId: string;
  userName?: string;
  role: SenderRole;
  userType?: "customer" | "agent" | "admin" | "bot" | "service";
}

/** A stored message. `seq` counts 1, 2, 3 within the conversation, without holes. */
export interface MessageReceived {
  conversationId: string;
  content: string;
  sender: Sender;
  /** RFC 3339, UTC, milliseconds. */
  timestamp: string;
  messageId: string;
  seq: number;
  clientId?: string;
}

export interface Authenticated {
  userId: string;
  userName?: string;
  role: SenderRole;
  userType: "customer" | "agent" | "admin" | "service";
  cursor?: string;
}

export interface TypingIndicator {
  conversationId: string;
  userId: string;
  userName?: string;
  role?: SenderRole;
  userType?: string;
  isTyping: boolean;
}

export interface PresenceUpdate {
  userId: string;
  /** Of an agent, what it is; of anybody else, whether it is there. */
  status: "online" | "busy" | "away" | "offline";
  timestamp: string;
}

/** Cumulative: everything up to `seq` has this status for `userId`. */
export interface MessageStatus {
  conversationId: string;
  seq: number;
  userId: string;
  status: "delivered" | "read";
  timestamp: string;
}

export interface ConnectionStatusUpdate {
  conversationId: string;
  session_id: string;
  connection_status: ConnectionStatus;
  timestamp: string;
  event_type?: "user_connected" | "user_disconnected";
  event_user_id?: string;
  disconnect_reason?: string;
  reconnected?: boolean;
  away_ms?: number;
}

/** What becomes of a conversation: the session dialect's data, and the conversation's name. */
export type ConversationEvents = {
  [T in LifecycleType]: Lifecycle[T] & { conversationId: string };
};

/** A department has no agent any more who takes conversations. For agents and admins. */
export interface DepartmentEmpty {
  department_id: string;
  department: string;
  /** How many customers wait there. */
  waiting: number;
}

/** It has one again. */
export type DepartmentCovered = Omit<DepartmentEmpty, "waiting">;

export interface ServerError {
  message: string;
  code?: string;
  /** The client's event that this answers. */
  event?: string;
  /** Seconds. */
  retry_after?: number;
}

export interface ServerEvents extends ConversationEvents {
  authenticated: Authenticated;
  joined_conversation: { conversationId: string };
  left_conversation: { conversationId: string };
  message_received: MessageReceived;
  typing_indicator: TypingIndicator;
  presence_update: PresenceUpdate;
  message_status: MessageStatus;
  connection_status_update: ConnectionStatusUpdate;
  agent_department_empty: DepartmentEmpty;
  agent_department_covered: DepartmentCovered;
  notification: Record<string, unknown>;
  error: ServerError;
  /** What was missed cannot be told; the client loads the history anew by itself. */
  resync: { reason?: string };
}

/** One packet as it went over the wire, in the text form of Engine.IO. */
export interface PacketRecord {
  direction: "in" | "out";
  /** Milliseconds since the epoch. */
  at: number;
  text: string;
}

/** The three states of document 003. */
export type ConnectionState = "connected" | "disconnected" | "reconnecting";

/** The state with everything that is known about it. */
export interface ConnectionDetail {
  state: ConnectionState;
  /**
   * `idle`: closed on purpose or never opened. `waiting`: the next attempt is at `retryAt`.
   * `ended`: the server has refused this login; nothing more is tried.
   */
  phase: "idle" | "connecting" | "connected" | "waiting" | "ended";
  /** Attempts since the connection was lost; 0 for the very first one. */
  attempt: number;
  /** The five eager attempts have failed; it goes on every 30 to 60 seconds. */
  slow: boolean;
  /** Milliseconds since the epoch. */
  retryAt?: number;
  /** Socket.IO's reason for the end, or the server's words. */
  reason?: string;
  code?: string;
}

/** What the client says about itself. */
export interface OwnEvents {
  /** Every change of the connection, also those that leave the three states as they are. */
  connection: ConnectionDetail;
  connect_error: Error & { data?: { code?: string } };
  disconnect: string;
  /** Attempt number so-and-so begins. */
  reconnect_attempt: number;
  /** The connection is back, after so many attempts. */
  reconnect: number;
  /** The eager attempts are used up; slow ones follow. */
  reconnect_failed: number;
  /** What waits to be sent has changed. */
  outbox: readonly Outgoing[];
  packet: PacketRecord;
}

export type ChatEvents = ServerEvents & OwnEvents;

/** The answer to a command. `code` is one of the server's list, or one of `OwnCode`. */
export interface Ack {
  success: boolean;
  error?: string;
  code?: string;
  /** Seconds. */
  retry_after?: number;
}

/**
 * Codes of the client itself: `outbox_full`: 200 messages wait already; `timeout`: no answer to
 * three tries; `disconnected`: no line to ask on; `left`: given up by the caller meanwhile.
 */
export type OwnCode = "outbox_full" | "timeout" | "disconnected" | "left";

export interface SendAck extends Ack {
  messageId?: string;
  seq?: number;
  timestamp?: string;
  clientId?: string;
}

export interface JoinAck extends Ack {
  conversationId?: string;
}

export interface HistoryPage {
  /** Ascending by `seq`. */
  messages: MessageReceived[];
  hasMore: boolean;
}

/** A command that was refused, or that nobody answered. */
export class ChatError extends Error {
  override readonly name = "ChatError";
  readonly code: string;

  constructor(message: string, code: string) {
    super(message);
    this.code = code;
  }
}
