/**
 * How long to wait before the next attempt to connect or to post. Pure: `retry.ts` counts the attempts and
 * keeps the timer.
 */

/** Waits that double from `firstMs` to `maxMs`, and after `eagerAttempts` in a row are `slowMs`. */
export interface BackoffPolicy {
  firstMs: number;
  maxMs: number;
  eagerAttempts: number;
  slowMs: number;
}

/** Document 000: five attempts, `2^attempt` seconds. Then slowly, instead of giving up unseen. */
export const SESSION_BACKOFF: BackoffPolicy = {
  firstMs: 2000,
  maxMs: 32_000,
  eagerAttempts: 5,
  slowMs: 60_000,
};

/** Document 003: five attempts, one second growing to five. Then slowly, as above. */
export const SOCKETIO_BACKOFF: BackoffPolicy = {
  firstMs: 1000,
  maxMs: 5000,
  eagerAttempts: 5,
  slowMs: 60_000,
};

/** A producer's next try. Nobody watches it, so it never turns slow: what waits keeps piling up. */
export const PRODUCER_BACKOFF: BackoffPolicy = {
  firstMs: 500,
  maxMs: 30_000,
  eagerAttempts: Number.POSITIVE_INFINITY,
  slowMs: 30_000,
};

/**
 * The wait before attempt number `attempt` (1 is the first retry), of which the upper half is
 * random, so that the clients of a restarted server do not all return in the same instant.
 */
export function backoffMs(
  attempt: number,
  policy: BackoffPolicy,
  random: () => number = Math.random,
): number {
  const { firstMs, maxMs, eagerAttempts, slowMs } = policy;
  const full = attempt > eagerAttempts ? slowMs : Math.min(firstMs * 2 ** (attempt - 1), maxMs);
  return Math.round(full / 2 + (full / 2) * random());
}
