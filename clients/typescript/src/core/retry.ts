/**
 * The attempts of one connection: counts them, keeps the timer of the next one, and makes it
 * at once when the browser is online again or the page is looked at.
 *
 * It does not know what is attempted.
 */
import { backoffMs, type BackoffPolicy } from "./backoff.ts";
import { onReturn } from "./return.ts";

/** What document 000 has its clients say after the last eager attempt. */
export const EXHAUSTED_TEXT = "Max reconnection attempts reached";

export class Retry {
  #policy: BackoffPolicy;
  #random: (() => number) | undefined;
  #run: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopReturn: (() => void) | undefined;
  #attempt = 0;
  #at = 0;

  constructor(policy: BackoffPolicy, run: () => void, random?: () => number) {
    this.#policy = policy;
    this.#run = run;
    this.#random = random;
  }

  /** Attempts since the last `reset`, the scheduled one included. */
  get attempt(): number {
    return this.#attempt;
  }

  /** When the scheduled attempt is due, in milliseconds since the epoch. */
  get at(): number {
    return this.#at;
  }

  /** The eager attempts are used up. */
  get isSlow(): boolean {
    return this.#attempt > this.#policy.eagerAttempts;
  }

  /** Whether the scheduled attempt is the first slow one, which is worth telling. */
  get isExhausted(): boolean {
    return this.#attempt === this.#policy.eagerAttempts + 1;
  }

  /** Plans the next attempt, no sooner than `leastMs` from now. */
  schedule(leastMs = 0): void {
    this.cancel();
    this.#attempt += 1;
    const waitMs = Math.max(leastMs, backoffMs(this.#attempt, this.#policy, this.#random));
    this.#at = Date.now() + waitMs;
    this.#timer = setTimeout(() => this.hurry(), waitMs);
    // Whoever was told to stay away for a while does so, whatever the browser says.
    if (leastMs === 0) this.#stopReturn = onReturn(() => this.hurry());
  }

  /** Makes the scheduled attempt now; nothing when none is. */
  hurry(): void {
    if (this.#timer === undefined) return;
    this.cancel();
    this.#run();
  }

  /** Forgets the scheduled attempt; the count stays. */
  cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#stopReturn?.();
    this.#stopReturn = undefined;
  }

  /** The connection works: the next wait is a short one again. */
  reset(): void {
    this.cancel();
    this.#attempt = 0;
  }
}
