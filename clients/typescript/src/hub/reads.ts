/**
 * Which notifications the user has seen and the server may not know of yet. They are told again on a
 * new line until there is a sign that they arrived: the event, or the answer to a later ping, because
 * the server says nothing of those it knew to be read.
 */

/** The most that are told again; more means that there has been no line for days. */
const READS_MAX = 1000;

export class Reads {
  #ids = new Set<string>();
  #pinged: string[] = [];

  get pending(): string[] {
    return [...this.#ids];
  }

  add(ids: readonly string[]): void {
    for (const id of ids) this.#ids.add(id);
    for (const oldest of this.#ids) {
      if (this.#ids.size <= READS_MAX) break;
      this.#ids.delete(oldest);
    }
  }

  confirm(ids: readonly string[]): void {
    for (const id of ids) this.#ids.delete(id);
  }

  /** A ping goes out, behind everything that was said before. */
  onPing(): void {
    this.#pinged = this.pending;
  }

  onPong(): void {
    this.confirm(this.#pinged.splice(0));
  }
}
