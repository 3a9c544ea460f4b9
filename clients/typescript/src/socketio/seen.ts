/**
 * Which messages have been told already: one may come twice when the line breaks between an event
 * and the cursor behind it, or when history and the live line overlap. Bounded; the oldest are
 * forgotten first.
 */

const SEEN_MAX = 5000;

export class Seen {
  #ids = new Set<string>();

  /** Notes the message; tells whether it is new. */
  add(messageId: string): boolean {
    if (this.#ids.has(messageId)) return false;
    this.#ids.add(messageId);
    if (this.#ids.size > SEEN_MAX) {
      for (const oldest of this.#ids) {
        this.#ids.delete(oldest);
        break;
      }
    }
    return true;
  }
}
