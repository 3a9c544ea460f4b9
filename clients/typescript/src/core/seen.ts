/**
 * What has been told already: a message or an event may come twice when the line breaks between it
 * and what says how far the log is read, or when history and the live line overlap. Bounded; the
 * oldest are forgotten first.
 */

const SEEN_MAX = 5000;

export class Seen {
  #ids = new Set<string>();

  /** Notes it; tells whether it is new. */
  add(id: string): boolean {
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    if (this.#ids.size > SEEN_MAX) {
      for (const oldest of this.#ids) {
        this.#ids.delete(oldest);
        break;
      }
    }
    return true;
  }

  /** Forgets everything: from here on all of it is told anew. */
  clear(): void {
    this.#ids.clear();
  }
}
