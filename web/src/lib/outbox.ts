/**
 * Messages the user has sent and the server has not yet echoed, in the order they were written.
 * It survives lost connections (and, through `entries`, page reloads); the server knows a repeated
 * message by its `client_id`, so sending one twice is harmless and losing one is impossible.
 *
 * It knows nothing of sockets or timers.
 */

/** The most messages that may wait; a longer queue means that nobody is listening. */
export const OUTBOX_MAX = 200;

/**
 * `pending`: not confirmed; `acked`: stored, its echo still on the way; `failed`: refused, and
 * sending it again unchanged would be refused again.
 */
export type OutgoingState = "pending" | "acked" | "failed";

export interface Outgoing {
  clientId: string;
  content: string;
  /** Milliseconds since the epoch, by this machine's clock. */
  queuedAt: number;
  state: OutgoingState;
  code?: string;
  error?: string;
}

export class Outbox {
  #entries: Outgoing[];

  constructor(entries: readonly Outgoing[] = []) {
    this.#entries = [...entries];
  }

  /** Every entry, oldest first. The array is replaced on change, never altered. */
  get entries(): readonly Outgoing[] {
    return this.#entries;
  }

  /** What has to be sent (again) on a new connection. */
  get pending(): Outgoing[] {
    return this.#entries.filter((entry) => entry.state === "pending");
  }

  get isFull(): boolean {
    return this.#entries.length >= OUTBOX_MAX;
  }

  add(entry: Outgoing): void {
    this.#entries = [...this.#entries, entry];
  }

  /** Changes one entry; tells whether it was there. */
  update(clientId: string, change: Partial<Outgoing>): boolean {
    const known = this.#entries.some((entry) => entry.clientId === clientId);
    if (known) {
      this.#entries = this.#entries.map((entry) =>
        entry.clientId === clientId ? { ...entry, ...change } : entry,
      );
    }
    return known;
  }

  /** Forgets an entry, usually because its echo has come; tells whether it was there. */
  remove(clientId: string): boolean {
    const before = this.#entries.length;
    this.#entries = this.#entries.filter((entry) => entry.clientId !== clientId);
    return this.#entries.length !== before;
  }
}
