/** How WebSockets of the server end, in every dialect that has one to itself. */

/** Ends of a connection, as the server names them. */
export const CloseCode = {
  normal: 1000,
  goingAway: 1001,
  tokenEnded: 4001,
  forbidden: 4003,
  noSuchSession: 4004,
  slowConsumer: 4008,
  heartbeatTimeout: 4009,
  kicked: 4010,
  rateLimited: 4029,
  tooManyConnections: 4030,
} as const;

/** After these a new attempt would end the same way, so none is made by itself. */
const FINAL_CODES: ReadonlySet<number> = new Set([
  CloseCode.normal,
  CloseCode.tokenEnded,
  CloseCode.forbidden,
  CloseCode.noSuchSession,
  CloseCode.kicked,
]);

/** Whether a close with this code ends it for good. */
export function isFinal(code: number): boolean {
  return FINAL_CODES.has(code);
}

/** Each end by a word, for programs and logs; the codes and their words are the server's. */
const END_NAMES = {
  1000: "closed",
  1001: "going_away",
  1002: "protocol_error",
  1003: "not_text",
  1006: "network_error",
  1007: "not_utf8",
  1009: "too_large",
  1011: "internal_error",
  4001: "token_ended",
  4003: "forbidden",
  4004: "no_such_session",
  4008: "slow_consumer",
  4009: "heartbeat_timeout",
  4010: "kicked",
  4029: "rate_limited",
  4030: "too_many_connections",
} as const;

export type EndName = (typeof END_NAMES)[keyof typeof END_NAMES] | "unknown";

/** What an end with this code is called. */
export function nameOfEnd(code: number): EndName {
  return (END_NAMES as Record<number, EndName>)[code] ?? "unknown";
}
