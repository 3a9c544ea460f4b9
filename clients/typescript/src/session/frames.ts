/**
 * The words of the session dialect: every frame a client may send or receive on
 * `/ws/{session_id}/{user_id}/{user_type}`.
 *
 * Types only, but for the reader at the end. A new frame is one more member of the union it belongs to; readers
 * ignore types they do not know.
 */
import type { LifecycleFrame } from "./lifecycle.ts";

export type * from "./lifecycle.ts";
export { CloseCode, isFinal } from "../core/close.ts";

/** Who a connection speaks for. Admins observe. */
export type UserType = "customer" | "agent" | "admin";

/** Who wrote a message; programs write too. */
export type SenderType = UserType | "bot" | "service";

/** One user of the session, however many connections it holds. */
export interface ConnectedUser {
  user_id: string;
  user_type: UserType;
  user_name?: string;
  /** RFC 3339, UTC, in seconds. */
  joined_at: string;
}

/** Who is in the session now. Admins are listed but counted in neither total. */
export interface ConnectionStatus {
  users: Record<string, ConnectedUser>;
  customer_connected: boolean;
  agent_connected: boolean;
  total_customer: number;
  total_agent: number;
}

/** A stored message. `seq` counts 1, 2, 3 within the session, without holes. */
export interface MessageData {
  session_id: string;
  id: string;
  seq: number;
  client_id?: string;
  user_id: string;
  user_name?: string;
  user_type: SenderType;
  content: string;
  timestamp: string;
}

export interface EstablishedData {
  session_id: string;
  user_id: string;
  user_type: UserType;
  connection_id: string;
  cursor?: string;
  server_time: string;
  /** Seconds between two signs of life of a client. */
  heartbeat_interval: number;
}

export interface StatusUpdateData {
  session_id: string;
  connection_status: ConnectionStatus;
  timestamp: string;
  event_type?: "user_connected" | "user_disconnected";
  event_user_id?: string;
  disconnect_reason?: string;
  reconnected?: boolean;
  away_ms?: number;
}

export interface AckData {
  client_id?: string;
  success: boolean;
  id?: string;
  seq?: number;
  timestamp?: string;
  code?: string;
  error?: string;
  /** Seconds until the same message may be sent again. */
  retry_after?: number;
}

/** Cumulative: everything up to `seq` has this status for `user_id`. */
export interface ReceiptData {
  session_id: string;
  seq: number;
  user_id: string;
  status: "delivered" | "read";
  timestamp: string;
}

export interface HistoryData {
  /** Ascending by `seq`. */
  messages: MessageData[];
  has_more: boolean;
}

export interface TypingData {
  session_id: string;
  user_id: string;
  user_name?: string;
  user_type: SenderType;
  is_typing: boolean;
}

export type ServerFrame =
  | { type: "connection_established"; data: EstablishedData }
  | { type: "connection_status_update"; data: StatusUpdateData }
  | { type: "message"; data: MessageData }
  | { type: "ack"; data: AckData }
  | { type: "message_status"; data: ReceiptData }
  | { type: "history"; data: HistoryData }
  | { type: "typing_indicator"; data: TypingData }
  | LifecycleFrame
  | { type: "notification"; data: Record<string, unknown> }
  | { type: "resync"; data: { reason?: string } }
  | { type: "pong"; data: { timestamp?: string } }
  | { type: "authenticated"; data: { expires_at: string } }
  | { type: "error"; data: { code: string; message: string; retry_after?: number } };

export type ClientFrame =
  | { type: "message"; data: { content: string; client_id: string } }
  | { type: "typing_indicator"; data: { is_typing: boolean } }
  | { type: "read"; data: { seq: number } }
  | { type: "history"; data: HistoryRequest }
  | { type: "authenticate"; data: { token: string } }
  | { type: "close" }
  | { type: "ping" };

export interface HistoryRequest {
  before?: number;
  after?: number;
  limit?: number;
}

/** Reads one text message; `null` for anything that is no frame. */
export function parseFrame(text: string): ServerFrame | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const { type, data } = value as { type?: unknown; data?: unknown };
  if (typeof type !== "string") return null;
  const body = typeof data === "object" && data !== null ? data : {};
  return { type, data: body } as ServerFrame;
}
