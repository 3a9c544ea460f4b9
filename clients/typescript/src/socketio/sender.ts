/**
 * Sends what waits in the outbox: one message after the other, so that their order holds, each
 * until the server has said yes or no. Over the line when there is one; by `POST /api/messages`
 * while connecting fails, if the caller gave a REST client.
 *
 * It owns the acks of the callers and knows no rooms.
 */
import type { Meter } from "../core/metrics.ts";
import { MESSAGE_BYTES_MAX, type Outbox, type Outgoing } from "../core/outbox.ts";
import { randomUuid } from "../core/uuid.ts";
import { ApiError, type RestClient } from "../rest.ts";
import type { Connection } from "./connection.ts";
import type { MessageReceived, SendAck } from "./events.ts";

/** How often a message is sent on a line that does not answer, before its sender is told. */
const TRIES_MAX = 3;

/** The wait after a passing refusal that names none. */
const PASSING_WAIT_MS = 2000;

/** A confirmed message that does not come back over the line is waited for no longer than this. */
const ECHO_MS_MAX = 5000;

export type SendCallback = (answer: SendAck) => void;

export interface SenderParts {
  connection: Connection;
  outbox: Outbox;
  meter: Meter;
  /** Sends while connecting fails. */
  rest?: RestClient | undefined;
  /** Whether what is sent to this conversation comes back over this line or the next one. */
  hasEcho: (conversationId: string) => boolean;
  onChange: () => void;
}

export class Sender {
  #parts: SenderParts;
  #callbacks = new Map<string, SendCallback>();
  #isRunning = false;
  #isCalledAgain = false;

  constructor(parts: SenderParts) {
    this.#parts = parts;
    const { outbox } = parts;
    // Whoever kept these has left before their echo came; they are stored, and history has them.
    const done = outbox.entries.filter(({ state }) => state === "acked");
    for (const { clientId } of done) outbox.remove(clientId);
  }

  /** Takes a message; `null`, with the reason as answer, when it cannot be taken. */
  send(
    conversationId: string,
    content: string,
    callback?: SendCallback,
    clientId = randomUuid(),
  ): string | null {
    const { outbox, meter, onChange } = this.#parts;
    const refusal = this.#refusal(content);
    if (refusal) {
      callback?.(refusal);
      return null;
    }
    outbox.add({ clientId, conversationId, content, queuedAt: Date.now(), state: "pending" });
    if (callback) this.#callbacks.set(clientId, callback);
    meter.count("sent");
    onChange();
    this.flush();
    return clientId;
  }

  /** Sends a refused message again. */
  retry(clientId: string): void {
    if (!this.#parts.outbox.update(clientId, { state: "pending" })) return;
    this.#parts.onChange();
    this.flush();
  }

  /** Gives a message up. */
  discard(clientId: string): void {
    this.#callbacks.delete(clientId);
    if (this.#parts.outbox.remove(clientId)) this.#parts.onChange();
  }

  /** There is a new line: what was confirmed without one comes back over it, or not at all. */
  onReady(): void {
    for (const { clientId, state } of this.#parts.outbox.entries) {
      if (state === "acked") this.#forgetLater(clientId);
    }
    this.flush();
  }

  /** Goes on with what waits; called whenever there may be a way. */
  flush(): void {
    this.#isCalledAgain = true;
    if (!this.#isRunning) void this.#run();
  }

  /** A message of our own has come over the line: it is stored, whether or not its ack came. */
  settle({ clientId, messageId, seq, timestamp }: MessageReceived): void {
    const entry = clientId === undefined ? undefined : this.#parts.outbox.find(clientId);
    if (!entry) return;
    this.#conclude(entry, { success: true, messageId, seq, timestamp });
    this.#forget(entry.clientId);
  }

  #refusal(content: string): SendAck | null {
    const { outbox } = this.#parts;
    if (content.trim() === "") return refused("invalid", "content: is empty");
    if (new TextEncoder().encode(content).length > MESSAGE_BYTES_MAX) {
      return refused("invalid", `content: has more than ${MESSAGE_BYTES_MAX} bytes`);
    }
    // Refused messages wait for their writer; they must not keep new ones out.
    const oldest = outbox.isFull && outbox.entries.find(({ state }) => state === "failed");
    if (oldest) outbox.remove(oldest.clientId);
    return outbox.isFull ? refused("outbox_full", "too many messages wait to be sent") : null;
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#isCalledAgain) {
      this.#isCalledAgain = false;
      await this.#sendAll();
    }
    this.#isRunning = false;
  }

  async #sendAll(): Promise<void> {
    let tries = 0;
    let last: string | undefined;
    for (;;) {
      const entry = this.#parts.outbox.pending[0];
      if (!entry) return;
      tries = entry.clientId === last ? tries + 1 : 1;
      last = entry.clientId;
      const answer = await this.#transmit(entry, tries);
      if (answer === null) return; // no way now; the next line or attempt calls again
      if (!answer.success && answer.retry_after !== undefined) {
        await pause(answer.retry_after * 1000);
      } else {
        this.#conclude(entry, answer);
      }
    }
  }

  async #transmit(entry: Outgoing, tries: number): Promise<SendAck | null> {
    const { connection, rest } = this.#parts;
    if (connection.isReady) return this.#overTheLine(entry, tries);
    const { phase, attempt } = connection.detail;
    const isFailing = phase === "waiting" || (phase === "connecting" && attempt > 0);
    return rest && isFailing ? overRest(rest, entry) : null;
  }

  async #overTheLine(entry: Outgoing, tries: number): Promise<SendAck | null> {
    const { connection } = this.#parts;
    const { clientId, conversationId, content } = entry;
    const message = { conversationId, content, clientId };
    const answer = await connection.ask<SendAck>("send_message", message);
    if (answer) return answer;
    if (!connection.isReady) return null;
    if (tries < TRIES_MAX) return { success: false, retry_after: 0 };
    return refused("timeout", "the server does not answer");
  }

  #conclude({ clientId, conversationId = "" }: Outgoing, answer: SendAck): void {
    const { connection, outbox, meter, hasEcho, onChange } = this.#parts;
    // The echo may have come before the ack, or the writer may have given the message up.
    if (outbox.find(clientId)?.state !== "pending") return;
    if (answer.success && hasEcho(conversationId)) {
      // Kept until it comes back, so that no screen is without it in between.
      outbox.update(clientId, { state: "acked" });
      if (connection.isReady) this.#forgetLater(clientId);
    } else if (answer.success) {
      outbox.remove(clientId);
    } else {
      const { code = "refused", error = code } = answer;
      outbox.update(clientId, { state: "failed", code, error });
    }
    meter.count(answer.success ? "delivered" : "failed");
    onChange();
    const callback = this.#callbacks.get(clientId);
    this.#callbacks.delete(clientId);
    callback?.({ ...answer, clientId });
  }

  #forgetLater(clientId: string): void {
    setTimeout(() => this.#forget(clientId), ECHO_MS_MAX);
  }

  #forget(clientId: string): void {
    if (this.#parts.outbox.find(clientId)?.state !== "acked") return;
    this.#parts.outbox.remove(clientId);
    this.#parts.onChange();
  }
}

async function overRest(rest: RestClient, entry: Outgoing): Promise<SendAck | null> {
  const { clientId, conversationId = "", content } = entry;
  try {
    return { success: true, ...(await rest.sendMessage({ conversationId, content, clientId })) };
  } catch (error) {
    const { status, code = "refused", message, retryAfter } = error as ApiError;
    if (status === 429) {
      return { success: false, code, retry_after: retryAfter ?? PASSING_WAIT_MS / 1000 };
    }
    // No network, or a server that is not well: the same message goes over the next line.
    return status === 0 || status >= 500 ? null : refused(code, message);
  }
}

function refused(code: string, error: string): SendAck {
  return { success: false, code, error };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
