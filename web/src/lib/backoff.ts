/**
 * How long to wait before the next attempt to connect. Pure: the caller counts the attempts and
 * keeps the timer.
 */

/** The longest wait between two attempts. */
export const BACKOFF_MS_MAX = 30_000;

/** After this many attempts in a row the caller should say that it keeps trying slowly. */
export const EAGER_ATTEMPTS = 5;

/**
 * The wait before attempt number `attempt` (1 is the first retry): `2^attempt` seconds, at most
 * `BACKOFF_MS_MAX`, of which the upper half is random, so that the clients of a restarted server
 * do not all return in the same instant.
 */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  const full = Math.min(2 ** attempt * 1000, BACKOFF_MS_MAX);
  return Math.round(full / 2 + (full / 2) * random());
}
