/**
 * Simulated time: `setTimeout` and `Date.now` of the code under test stand still until a test moves
 * them. Node 20's own mock takes another timer away when one that has fired is cleared, which the
 * clients do all the time, so it cannot be used where several timers run.
 */

import type { TestContext } from "node:test";

interface Timer {
  at: number;
  run: () => void;
  ref: () => Timer;
  unref: () => Timer;
  refresh: () => Timer;
}

/** Shorter waits are those of frames and queues below the code under test; they stay real. */
const SIMULATED_MS_MIN = 101;

const real = { setTimeout, clearTimeout, now: Date.now };

export class Clock {
  #now = real.now();
  #timers = new Set<Timer>();

  /** Takes the place of the global clock until `reset`. */
  install(): void {
    const add = (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => {
      if (ms < SIMULATED_MS_MIN) return real.setTimeout(run, ms, ...args);
      const timer: Timer = {
        at: this.#now + ms,
        run: () => run(...args),
        ref: () => timer,
        unref: () => timer,
        refresh: () => {
          timer.at = this.#now + ms;
          this.#timers.add(timer);
          return timer;
        },
      };
      this.#timers.add(timer);
      return timer;
    };
    const clear = (timer: unknown) => {
      // Timers of before the installation are real ones.
      if (!this.#timers.delete(timer as Timer)) real.clearTimeout(timer as never);
    };
    Object.assign(globalThis, { setTimeout: add, clearTimeout: clear });
    Date.now = () => this.#now;
  }

  reset(): void {
    this.#timers.clear();
    Object.assign(globalThis, { setTimeout: real.setTimeout, clearTimeout: real.clearTimeout });
    Date.now = real.now;
  }

  /** Moves time on, and runs what is due on the way, in order. */
  tick(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= end);
      const next = due.reduce<Timer | null>(
        (one, other) => (one && one.at <= other.at ? one : other),
        null,
      );
      if (!next) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
    }
    this.#now = end;
  }
}

/** A clock in force until the test ends. */
export function newClock(t: TestContext): Clock {
  const clock = new Clock();
  clock.install();
  t.after(() => clock.reset());
  return clock;
}
