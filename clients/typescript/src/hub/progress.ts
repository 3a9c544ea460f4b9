/**
 * How far a client has read the tenant's log, and what it has been told of it: nothing is told twice,
 * and the place to come back to only moves on.
 */
import { Seen } from "../core/seen.ts";
import type { HubFrame } from "./frames.ts";

export class Progress {
  #seen = new Seen();
  #cursor: string | undefined;
  /** When that happened of which the cursor is. Times of RFC 3339 sort as texts. */
  #at = "";
  #connectedAt = "";

  /** `after`: the cursor of what was told in an earlier life. */
  constructor(after: string | undefined) {
    this.#cursor = after;
  }

  get cursor(): string | undefined {
    return this.#cursor;
  }

  /** A connection begins to tell what is behind `cursor`. */
  onConnected(cursor: string | undefined, timestamp = ""): void {
    this.#connectedAt = timestamp;
    if (this.#cursor === undefined) this.#at = timestamp;
    this.#cursor = cursor ?? this.#cursor;
  }

  /** What was missed cannot be told. What may be told in its place was told before, or is older. */
  onResync(): void {
    this.#seen.clear();
    this.#at = this.#connectedAt;
  }

  /** Notes an event; tells whether it is new. */
  add({ cursor, timestamp = this.#at }: HubFrame): boolean {
    if (cursor === undefined) return true;
    if (!this.#seen.add(cursor)) return false;
    // Notifications that waited for their user come first and are of long ago: from there, all that
    // has happened since would be told again.
    if (timestamp >= this.#at) {
      this.#cursor = cursor;
      this.#at = timestamp;
    }
    return true;
  }
}
