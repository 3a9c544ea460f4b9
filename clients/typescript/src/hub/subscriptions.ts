/**
 * What a client wants to hear, who listens to it, and what the server has been told of that.
 *
 * Pure: it says what would have to be sent and sends nothing.
 */
import type { ClientFrame, HubEvent } from "./frames.ts";

/** A pattern that every server knows and that stands for no event. */
const NOTHING = "connected";

/** Patterns that are wanted together, and who hears what they stand for. */
export interface Subscription {
  patterns: Set<string>;
  handler: ((event: HubEvent) => void) | undefined;
}

export class Subscriptions {
  #entries = new Set<Subscription>();
  /** Who has never subscribed hears everything its role may hear. */
  #isNarrowed = false;
  /** What the server goes by; `null` is everything. */
  #told: ReadonlySet<string> | null = null;

  add(patterns: readonly string[], handler: Subscription["handler"]): Subscription {
    const entry = { patterns: new Set(patterns), handler };
    this.#entries.add(entry);
    this.#isNarrowed = true;
    return entry;
  }

  /** Takes these patterns from one subscription, or from all. */
  remove(patterns: Iterable<string>, from?: Subscription): void {
    const gone = [...patterns];
    for (const entry of from ? [from] : this.#entries) {
      for (const pattern of gone) entry.patterns.delete(pattern);
      if (entry.patterns.size === 0) this.#entries.delete(entry);
    }
  }

  /** What a new connection asks for, and is taken to know from then on; nothing for everything. */
  forNewConnection(): string[] | undefined {
    const wanted = this.#wanted();
    this.#told = wanted;
    if (!wanted) return undefined;
    return wanted.size > 0 ? [...wanted] : [NOTHING];
  }

  /** What the server has to be told so that it goes by what is wanted now. */
  changes(): ClientFrame[] {
    const wanted = this.#wanted();
    if (!wanted) return [];
    const told = this.#told;
    const added = [...wanted].filter((pattern) => !told?.has(pattern));
    if (told === null && added.length === 0) added.push(NOTHING);
    const dropped = [...(told ?? [])].filter((pattern) => !wanted.has(pattern));
    // Taking `call.*` away would take `call.hold` too, with a gap until it is asked for again. What
    // overlaps stays until the next connection; those who listen are not told of it meanwhile.
    const [kept, removed] = split(dropped, (one) => [...wanted].some((two) => overlap(one, two)));
    this.#told = new Set([...wanted, ...kept]);
    const frames: ClientFrame[] = [];
    if (added.length > 0) frames.push({ type: "subscribe", payload: { events: added } });
    if (removed.length > 0) frames.push({ type: "unsubscribe", payload: { events: removed } });
    return frames;
  }

  tell(event: HubEvent): void {
    for (const { patterns, handler } of [...this.#entries]) {
      if (handler && [...patterns].some((pattern) => covers(pattern, event.type))) handler(event);
    }
  }

  #wanted(): ReadonlySet<string> | null {
    if (!this.#isNarrowed) return null;
    return new Set([...this.#entries].flatMap(({ patterns }) => [...patterns]));
  }
}

/** Whether the one stands for all that the other does. */
function covers(pattern: string, name: string): boolean {
  if (pattern === "*" || pattern === name) return true;
  return pattern.endsWith(".*") && name.startsWith(pattern.slice(0, -1));
}

function overlap(one: string, two: string): boolean {
  return covers(one, two) || covers(two, one);
}

function split<T>(all: readonly T[], test: (one: T) => boolean): [T[], T[]] {
  return [all.filter(test), all.filter((one) => !test(one))];
}
