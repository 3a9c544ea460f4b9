/**
 * When to tell the other side that this user is typing. The server ends an indicator after three
 * seconds by itself, so a start is repeated while the user goes on, and never more than needed.
 */

/** At most one start in this time. */
const REPEAT_MS = 1000;

/** Without a key for this long the user has stopped. */
const IDLE_MS = 3000;

export class TypingSignal {
  #send: (isTyping: boolean) => void;
  #startedAt = -Infinity;
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(send: (isTyping: boolean) => void) {
    this.#send = send;
  }

  /** The user has pressed a key. */
  touch(): void {
    const now = Date.now();
    if (now - this.#startedAt >= REPEAT_MS) {
      this.#startedAt = now;
      this.#send(true);
    }
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.stop(), IDLE_MS);
  }

  /** The user has sent, emptied or left the input. */
  stop(): void {
    const wasTyping = this.#idle !== undefined;
    this.reset();
    if (wasTyping) this.#send(false);
  }

  /** Forgets everything without a word; for lost connections. */
  reset(): void {
    clearTimeout(this.#idle);
    this.#idle = undefined;
    this.#startedAt = -Infinity;
  }
}
