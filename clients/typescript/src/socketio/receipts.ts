/**
 * What the user has read: told a moment later so that marks that come together go as one, forward
 * only, and again on a new line until the server has taken it.
 */
import type { Connection } from "./connection.ts";
import type { Ack } from "./events.ts";

/** Receipts that come together are sent as one. */
const READ_DELAY_MS = 200;

interface Mark {
  seq: number;
  toldSeq: number;
}

export class Receipts {
  #connection: Connection;
  #marks = new Map<string, Mark>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The user has seen everything in this conversation up to `seq`. */
  mark(conversationId: string, seq: number): void {
    const mark = this.#marks.get(conversationId) ?? { seq: 0, toldSeq: 0 };
    if (seq <= mark.seq) return;
    mark.seq = seq;
    this.#marks.set(conversationId, mark);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.flush(), READ_DELAY_MS);
  }

  /** Tells what has not been taken yet. */
  flush(): void {
    for (const [conversationId, mark] of this.#marks) {
      if (mark.seq > mark.toldSeq) void this.#tell(conversationId, mark);
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#marks.clear();
  }

  async #tell(conversationId: string, mark: Mark): Promise<void> {
    const { seq } = mark;
    const answer = await this.#connection.ask<Ack>("message_read", { conversationId, seq });
    // A refusal would be repeated word for word; only silence is worth another try.
    if (answer) mark.toldSeq = Math.max(mark.toldSeq, seq);
  }
}
