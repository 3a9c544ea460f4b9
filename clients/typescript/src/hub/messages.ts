/**
 * What a user says into conversations, one message after the other, each until the server has
 * answered: the order holds, and a message whose answer was lost is sent again with the same
 * `client_id`, by which the server knows it.
 */
import { newAnswer, type Answer } from "../core/answer.ts";
import { MESSAGE_BYTES_MAX, OUTBOX_MAX } from "../core/outbox.ts";
import { randomUuid } from "../core/uuid.ts";
import type { AckPayload, ClientFrame } from "./frames.ts";

/** Without an answer for this long, the line is doubted. */
const ACK_MS_MAX = 10_000;

/** The message is kept. */
export interface Sent {
  client_id: string;
  message_id: string;
  /** Its number in the conversation. */
  seq: number;
  timestamp: string;
}

/**
 * Why a message was not sent. `code` is the server's (`docs/errors.md`), the name of the connection's
 * end, or `outbox_full`, `timeout`, `disconnected`; after the last two it may have arrived all the same.
 */
export class HubError extends Error {
  override readonly name = "HubError";

  constructor(
    message: string,
    readonly code: string,
  ) {
    super(message);
  }
}

export interface MessagesParts {
  /** `false`: there is no line now. */
  send: (frame: ClientFrame) => boolean;
  /** Doubts the line. */
  probe: () => void;
  /** How long a message may wait for its answer, in ms. */
  waitMsMax: number;
}

interface Outgoing {
  frame: Extract<ClientFrame, { type: "chat.message" }>;
  answer: Answer<Sent>;
  deadline: Timer;
  /** It is on this very line already. */
  isUnderWay: boolean;
}

type Timer = ReturnType<typeof setTimeout> | undefined;

export class Messages {
  #parts: MessagesParts;
  #waiting: Outgoing[] = [];
  /** The next look at the first one: its answer is late, or it may be sent again. */
  #timer: Timer;

  constructor(parts: MessagesParts) {
    this.#parts = parts;
  }

  add(session_id: string, body: string): Promise<Sent> {
    const client_id = randomUuid();
    const answer = newAnswer<Sent>();
    const refusal = this.#refusal(body);
    if (refusal) {
      answer.reject(refusal);
      return answer.promise;
    }
    const frame = { type: "chat.message", payload: { session_id, body, client_id } } as const;
    const entry: Outgoing = { frame, answer, deadline: undefined, isUnderWay: false };
    entry.deadline = setTimeout(() => this.#expire(entry), this.#parts.waitMsMax);
    if (this.#waiting.push(entry) === 1) this.sendFirst();
    return answer.promise;
  }

  /** Sends what waits first; called whenever there may be a line. */
  sendFirst(): void {
    const [first] = this.#waiting;
    if (!first || first.isUnderWay) return;
    clearTimeout(this.#timer);
    if (this.#parts.send(first.frame)) {
      first.isUnderWay = true;
      this.#timer = setTimeout(this.#parts.probe, ACK_MS_MAX);
    }
  }

  /** What was under way may not have arrived. */
  onLost(): void {
    clearTimeout(this.#timer);
    for (const entry of this.#waiting) entry.isUnderWay = false;
  }

  onAck({ client_id, success, retry_after, ...said }: AckPayload): void {
    const [first] = this.#waiting;
    // An answer may come twice, after a repeat on a new line.
    if (!first || first.frame.payload.client_id !== client_id) return;
    clearTimeout(this.#timer);
    if (!success && retry_after !== undefined) {
      first.isUnderWay = false;
      this.#timer = setTimeout(() => this.sendFirst(), retry_after * 1000);
      return;
    }
    const { message_id = "", seq = 0, timestamp = "", code = "refused", error = code } = said;
    if (success) first.answer.resolve({ client_id, message_id, seq, timestamp });
    else first.answer.reject(new HubError(error, code));
    this.#removeFirst();
  }

  /** Nobody will answer any more. */
  rejectAll(code: string, message: string): void {
    clearTimeout(this.#timer);
    for (const { answer, deadline } of this.#waiting.splice(0)) {
      clearTimeout(deadline);
      answer.reject(new HubError(message, code));
    }
  }

  #refusal(body: string): HubError | null {
    if (this.#waiting.length >= OUTBOX_MAX) {
      return new HubError("too many messages wait to be sent", "outbox_full");
    }
    // A much larger one would end the connection, and every one it is sent on again.
    const isLarge = new TextEncoder().encode(body).length > MESSAGE_BYTES_MAX;
    return isLarge
      ? new HubError(`body: has more than ${MESSAGE_BYTES_MAX} bytes`, "invalid")
      : null;
  }

  /** All may wait for equally long, so whose time is over is the first. */
  #expire({ answer }: Outgoing): void {
    answer.reject(new HubError("the server did not answer in time", "timeout"));
    this.#removeFirst();
  }

  #removeFirst(): void {
    clearTimeout(this.#waiting.shift()?.deadline);
    this.sendFirst();
  }
}
