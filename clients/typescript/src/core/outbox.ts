/**
 * Messages the user has sent and the server has not yet confirmed, in the order they were written.
 * It survives lost connections and, through its storage, reloads of the page; the server knows a
 * repeated message by its client id, so sending one twice is harmless and losing one is impossible.
 *
 * It knows nothing of sockets or timers. Pages that share a key do not overwrite each other:
 * every change is made on what is stored now.
 */
import { readJson, type KeyValueStorage } from "./storage.ts";

/** What the server takes as one message text, in bytes of UTF-8. */
export const MESSAGE_BYTES_MAX = 16 * 1024;

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
  /** Where it goes, in dialects with several conversations on one connection. */
  conversationId?: string;
  code?: string;
  error?: string;
}

/** Where an outbox is kept: an adapter, and the name of the entry. */
export interface OutboxPlace {
  storage: KeyValueStorage;
  key: string;
}

export class Outbox {
  #entries: readonly Outgoing[];
  #place: OutboxPlace | undefined;
  #isSaved = true;

  constructor(place?: OutboxPlace) {
    this.#place = place;
    this.#entries = this.#stored();
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

  /** Whether what waits would survive a reload: the storage took the last change. */
  get isSaved(): boolean {
    return this.#isSaved;
  }

  find(clientId: string): Outgoing | undefined {
    return this.#entries.find((entry) => entry.clientId === clientId);
  }

  add(entry: Outgoing): void {
    this.#change((entries) => [...entries, entry]);
  }

  /** Changes one entry; tells whether it was there. */
  update(clientId: string, change: Partial<Outgoing>): boolean {
    if (!this.find(clientId)) return false;
    this.#change((entries) =>
      entries.map((entry) => (entry.clientId === clientId ? { ...entry, ...change } : entry)),
    );
    return true;
  }

  /** Forgets an entry, usually because its echo has come; tells whether it was there. */
  remove(clientId: string): boolean {
    const isKnown = this.find(clientId) !== undefined;
    this.#change((entries) => entries.filter((entry) => entry.clientId !== clientId));
    return isKnown;
  }

  #change(change: (entries: readonly Outgoing[]) => readonly Outgoing[]): void {
    this.#entries = change(this.#entries);
    if (!this.#place) return;
    const { storage, key } = this.#place;
    const stored = change(this.#stored());
    if (stored.length > 0) this.#isSaved = storage.set(key, JSON.stringify(stored));
    else storage.remove(key);
  }

  #stored(): readonly Outgoing[] {
    if (!this.#place) return [];
    const stored = readJson<unknown>(this.#place.storage, this.#place.key);
    return Array.isArray(stored) ? stored.filter(isOutgoing).slice(0, OUTBOX_MAX) : [];
  }
}

function isOutgoing(value: unknown): value is Outgoing {
  const entry = value as Partial<Outgoing> | null;
  return typeof entry?.clientId === "string" && typeof entry.content === "string";
}
