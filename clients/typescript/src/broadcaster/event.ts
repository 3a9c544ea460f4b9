/**
 * What a producer says, and what it is told of it. The payloads are the catalogue's; which of them
 * can be produced is said here.
 */
import type { AnnouncedPayloads, EventPayloads } from "../generated/events.ts";

/** The names that `POST /api/events` takes: document 004's, without those of the protocol. */
export type ProducibleName =
  | `agent.${"login" | "logout" | "state.changed"}`
  | `call.${"incoming" | "answered" | "ended" | "transferred" | "hold" | "unhold"}`
  | `queue.${"joined" | "left" | "stats"}`
  | `queue.member.${"added" | "removed" | "paused" | "unpaused"}`
  | `chat.${"session.started" | "session.ended" | "message" | "transferred" | "typing"}`
  | "notification"
  | "alert";

/** What is heard as announced is produced without that mark. */
type Unmarked<T extends ProducibleName> = T extends keyof AnnouncedPayloads
  ? Omit<AnnouncedPayloads[T], "announced">
  : EventPayloads[T];

/** Document 004 calls customers visitors. */
export type ProducedSenderType = AnnouncedPayloads["chat.message"]["sender_type"] | "visitor";

/** Fields that may be absent may be `undefined` too, which is left out. */
type Lenient<P> = {
  [K in keyof P]: K extends "sender_type"
    ? ProducedSenderType
    : {} extends Pick<P, K>
      ? P[K] | undefined
      : P[K];
};

/** The payload of an event as its producer gives it. */
export type ProducedPayload<T extends ProducibleName> = Lenient<Unmarked<T>>;

/** Who is meant, in place of everybody in the tenant who may hear the event. */
export type Target =
  | { user_id: string }
  | { role: "customer" | "agent" | "admin" | "service" }
  | { conversation_id: string };

/** An event to be told. */
export type NewEvent<T extends ProducibleName = ProducibleName> = {
  [N in T]: {
    type: N;
    payload: ProducedPayload<N>;
    target?: Target | undefined;
    /** By which the server knows a repeat, for a day; random when absent. */
    id?: string | undefined;
  };
}[T];

/** What may be said of an event beside what its method takes. */
export interface EventOptions<T extends ProducibleName> {
  target?: Target | undefined;
  id?: string | undefined;
  /** More fields of the payload. */
  fields?: Partial<ProducedPayload<T>> | undefined;
}

/** The event is in the tenant's log, or was before. */
export interface Accepted {
  id: string;
  /** Where the log ended after the batch it went with. */
  cursor: string;
}

/**
 * Why an event was not told. `code` is the server's (`docs/errors.md`), or one of this client's own:
 * `queue_full` (too many wait), `closed`, `gave_up` (no answer for too long), `not_json` (the payload
 * cannot be written as JSON).
 */
export class PublishError extends Error {
  override readonly name = "PublishError";

  constructor(
    message: string,
    readonly code: string,
    readonly event: NewEvent,
  ) {
    super(message);
  }
}
