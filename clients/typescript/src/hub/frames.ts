/**
 * The words of the hub dialect (document 004): frames `{type, payload}` in both directions, with
 * `id`, `timestamp` and `cursor` beside them on what the server sends.
 *
 * What the events say is the catalogue's; here is the rest. Types only, but for the reader.
 */
import type { EventName, EventPayloads } from "../generated/events.ts";

/** An event as it is heard. `cursor` is missing on volatile ones. */
export type HubEvent<T extends EventName = EventName> = {
  [N in T]: {
    type: N;
    payload: EventPayloads[N];
    /** The producer's own id, if it gave one; the same whenever it is told again. */
    id: string;
    /** RFC 3339, UTC, milliseconds. */
    timestamp: string;
    cursor?: string;
  };
}[T];

/** What stands before the dots of a name: `queue` and `queue.member` of `queue.member.added`. */
type FamilyOf<Name extends string> = Name extends `${infer Head}.${infer Rest}`
  ? Head | `${Head}.${FamilyOf<Rest>}`
  : never;

/** A name, a family such as `call.*`, or all: `*`. */
export type EventPattern = EventName | `${FamilyOf<EventName>}.*` | "*";

/** The names a pattern stands for. */
export type Matching<P extends EventPattern> = P extends "*"
  ? EventName
  : P extends `${infer Family}.*`
    ? Extract<EventName, `${Family}.${string}`>
    : Extract<EventName, P>;

/** The first frame. */
export interface ConnectedPayload {
  connection_id: string;
  user_id: string;
  role: "customer" | "agent" | "admin" | "service";
  /** A visitor's conversation. */
  session_id?: string;
  /** What lets a visitor in again, when this connection has begun its conversation. */
  token?: string;
  session_key?: string;
  /** Everything after this is still to come. */
  cursor: string;
}

export interface SubscribedPayload {
  /** The names and patterns that the answer is about. */
  events: string[];
  cursor: string;
}

/** `code` is from the server's list (`docs/errors.md`). */
export interface ErrorPayload {
  code: string;
  message: string;
  /** The known name that is most like an unknown one. */
  nearest?: string;
  /** Seconds until the same may be tried again. */
  retry_after?: number;
}

/** What was missed cannot be told: whatever was built from events has to be built anew. */
export interface ResyncPayload {
  /** `cursor_expired` or `unknown_cursor`. */
  reason: string;
}

export interface AckPayload {
  client_id?: string;
  success: boolean;
  message_id?: string;
  seq?: number;
  timestamp?: string;
  code?: string;
  error?: string;
  retry_after?: number;
}

/** The connection's own frames that a page may want to know of, by their types. */
export interface HubNotices {
  connected: ConnectedPayload;
  subscribed: SubscribedPayload;
  unsubscribed: SubscribedPayload;
  resync: ResyncPayload;
  error: ErrorPayload;
  authenticated: { expires_at: string | null };
}

/** What a client says. */
export type ClientFrame =
  | { type: "subscribe" | "unsubscribe"; payload: { events: string[] } }
  | { type: "chat.message"; payload: { session_id: string; body: string; client_id: string } }
  | { type: "chat.typing"; payload: { session_id: string; is_typing: boolean } }
  | { type: "notification.read"; payload: { notification_ids: string[] } }
  | { type: "authenticate"; payload: { token: string } }
  | { type: "ping" };

/** Any frame of the server, before anybody has looked at its type. */
export interface HubFrame {
  type: string;
  payload: object;
  id?: string;
  timestamp?: string;
  cursor?: string;
}

/** Reads one text message; `null` for anything that is no frame. */
export function parseHubFrame(text: string): HubFrame | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const frame = value as Partial<HubFrame>;
  if (typeof frame.type !== "string") return null;
  const { payload } = frame;
  const body = typeof payload === "object" && payload !== null ? payload : {};
  return { ...frame, type: frame.type, payload: body };
}
