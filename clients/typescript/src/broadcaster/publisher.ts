/**
 * Gets events to the server, in order and once: gathers them into batches, one of which is under
 * way at a time, and tries that again until it is answered.
 *
 * Every event has an id, by which the server knows a repeat; so a batch whose answer was lost is
 * simply sent again. It does not know what the events mean.
 */
import { newAnswer, type Answer } from "../core/answer.ts";
import { PRODUCER_BACKOFF } from "../core/backoff.ts";
import { Emitter } from "../core/emitter.ts";
import { ApiError, requestData, type RestOptions } from "../core/http.ts";
import { Retry } from "../core/retry.ts";
import { randomUuid } from "../core/uuid.ts";
import { PublishError, type Accepted, type NewEvent } from "./event.ts";

/** The server takes no more events at once. */
const BATCH_EVENTS_MAX = 1000;

/** The server takes 4 MiB, but proxies before it often 1 MiB, and no batch needs more than this. */
const BATCH_BYTES_MAX = 512 * 1024;

/** The longest wait a server is believed to mean; a timer could not keep a much longer one. */
const RETRY_AFTER_MS_MAX = 300_000;

/** Refusals that pass: too fast, or something between here and the log is not well. */
const PASSING_STATUSES: ReadonlySet<number> = new Set([0, 429, 502, 503, 504]);

/** Refusals of a whole batch that fewer events may not meet: too many bytes, too many events. */
const TOO_LARGE_STATUSES: ReadonlySet<number> = new Set([413, 422]);

export interface PublisherOptions extends RestOptions {
  /** Events in one request, 1 to 1,000; 100. */
  batchMax?: number | undefined;
  /** How long the first event of a batch waits for others; 20 ms. */
  lingerMs?: number | undefined;
  /** Events that may wait, those under way included; 10,000. */
  queueMax?: number | undefined;
  /** How long an event is tried to be told; an hour. */
  giveUpAfterMs?: number | undefined;
  random?: (() => number) | undefined;
}

export interface PublisherEvents {
  /** An event was not told, whether or not somebody awaits it. */
  rejected: PublishError;
  /** A try has failed; the next one is at `retryAt`, in milliseconds since the epoch. */
  retry: { attempt: number; retryAt: number; reason: string };
}

interface Waiting {
  event: NewEvent;
  id: string;
  /** As JSON, written once, so that every try says the same. */
  text: string;
  bytes: number;
  giveUpAt: number;
  answer: Answer<Accepted>;
}

/** The `data` of the server's answer to a batch. */
interface Posted {
  rejected: { index: number; code: string; message: string }[];
  cursor: string;
}

export class Publisher extends Emitter<PublisherEvents> {
  #options: PublisherOptions;
  #batchMax: number;
  /** Fewer than `#batchMax` while the server, or a proxy before it, finds batches too large. */
  #batchMaxNow: number;
  #waiting: Waiting[] = [];
  #linger: ReturnType<typeof setTimeout> | undefined;
  /** A batch is under way, or waits for its next try. */
  #isBusy = false;
  #isToldToWait = false;
  #retry: Retry;
  #abort: AbortController | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: PublisherOptions) {
    super();
    this.#options = options;
    const { batchMax = 100, random } = options;
    this.#batchMax = Math.min(Math.max(batchMax, 1), BATCH_EVENTS_MAX);
    this.#batchMaxNow = this.#batchMax;
    this.#retry = new Retry(PRODUCER_BACKOFF, () => void this.#run(), random);
  }

  /** How many events are not answered yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Takes an event. The promise may be ignored; it rejects with `PublishError` only. */
  add(event: NewEvent): Promise<Accepted> {
    const { queueMax = 10_000, giveUpAfterMs = 3_600_000 } = this.#options;
    const { id = randomUuid(), type, payload, target } = event;
    const text = jsonOf({ type, payload, target, id });
    const bytes = new TextEncoder().encode(text).length;
    const giveUpAt = Date.now() + giveUpAfterMs;
    const entry = { event, id, text: text ?? "", bytes, giveUpAt, answer: newAnswer<Accepted>() };
    if (this.#closed) this.#reject(entry, "closed", "the broadcaster is closed");
    else if (text === undefined) this.#reject(entry, "not_json", "the payload cannot be JSON");
    else if (this.#waiting.length >= queueMax) {
      this.#reject(entry, "queue_full", `${queueMax} events wait already`);
    } else {
      this.#waiting.push(entry);
      this.#plan();
    }
    return entry.answer.promise;
  }

  /** Sends what waits without lingering; done when each event of now has its answer. */
  async flush(): Promise<void> {
    const answers = this.#waiting.map(({ answer }) => answer.promise);
    if (!this.#isBusy) void this.#run();
    await Promise.allSettled(answers);
  }

  /** Takes no more events, and is done when those that wait are answered or the time is over. */
  close(withinMs: number): Promise<void> {
    this.#closed ??= this.#finish(withinMs);
    return this.#closed;
  }

  async #finish(withinMs: number): Promise<void> {
    // A timer with a longer time than it can count would end at once.
    const timer = withinMs < 2 ** 31 ? setTimeout(() => this.#abandon(), withinMs) : undefined;
    if (!this.#isToldToWait) this.#retry.hurry();
    await this.flush();
    clearTimeout(timer);
    this.#retry.cancel();
  }

  #abandon(): void {
    this.#retry.cancel();
    for (const entry of this.#waiting.splice(0)) {
      this.#reject(entry, "closed", "the broadcaster was closed before there was an answer");
    }
    this.#abort?.abort();
  }

  #plan(): void {
    if (this.#isBusy) return;
    if (this.#waiting.length >= this.#batchMax) void this.#run();
    else this.#linger ??= setTimeout(() => void this.#run(), this.#options.lingerMs ?? 20);
  }

  async #run(): Promise<void> {
    clearTimeout(this.#linger);
    this.#linger = undefined;
    this.#isBusy = true;
    // What came while a batch was under way has waited long enough.
    while (this.#waiting.length > 0) {
      const failure = await this.#sendBatch(this.#nextBatch());
      if (failure && this.#waiting.length > 0) return this.#backOff(failure);
      if (!failure) this.#retry.reset();
    }
    this.#isBusy = false;
  }

  #nextBatch(): Waiting[] {
    let bytes = 0;
    const tooMany = this.#waiting.findIndex((entry, place) => {
      bytes += entry.bytes;
      return place >= this.#batchMaxNow || (place > 0 && bytes > BATCH_BYTES_MAX);
    });
    return tooMany < 0 ? [...this.#waiting] : this.#waiting.slice(0, tooMany);
  }

  /** Sends a batch. What it gives is a failure that passes; the batch still waits then. */
  async #sendBatch(batch: Waiting[]): Promise<ApiError | null> {
    const text = `{"events":[${batch.map((entry) => entry.text).join(",")}]}`;
    // One for each request: what listens to a signal is kept for as long as the signal.
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    const posted = await requestData(this.#options, "/api/events", { text, signal }).catch(asError);
    if (posted instanceof ApiError) return this.#onFailure(batch, posted);
    if (!isPosted(posted)) return new ApiError("the answer is not one to events", 0);
    this.#settle(batch, posted);
    return null;
  }

  #onFailure(batch: Waiting[], failure: ApiError): ApiError | null {
    const { status, code = `http_${status}`, message, data } = failure;
    // A success whose text was cut on its way is none; the repeat gets the same answer again.
    if (PASSING_STATUSES.has(status) || status < 300) return failure;
    if (isPosted(data)) this.#settle(batch, data);
    else if (TOO_LARGE_STATUSES.has(status) && batch.length > 1) {
      this.#batchMaxNow = Math.floor(batch.length / 2);
    } else {
      this.#waiting.splice(0, batch.length);
      for (const entry of batch) this.#reject(entry, code, message);
    }
    return null;
  }

  #settle(batch: Waiting[], { rejected, cursor }: Posted): void {
    this.#waiting.splice(0, batch.length);
    this.#batchMaxNow = Math.min(this.#batchMax, this.#batchMaxNow * 2);
    const refusals = new Map(rejected.map((refusal) => [refusal.index, refusal]));
    batch.forEach((entry, index) => {
      const refusal = refusals.get(index);
      if (refusal) this.#reject(entry, refusal.code, refusal.message);
      else entry.answer.resolve({ id: entry.id, cursor });
    });
  }

  #backOff({ message, retryAfter = 0 }: ApiError): void {
    this.#isToldToWait = retryAfter > 0;
    this.#retry.schedule(Math.min(retryAfter * 1000, RETRY_AFTER_MS_MAX));
    const { attempt, at } = this.#retry;
    // Whose time is over before the next try is told now, not after waiting for nothing.
    const late = this.#waiting.filter(({ giveUpAt }) => giveUpAt < at);
    this.#waiting = this.#waiting.filter(({ giveUpAt }) => giveUpAt >= at);
    for (const entry of late) this.#reject(entry, "gave_up", `gave up: ${message}`);
    this.#tell("retry", { attempt, retryAt: at, reason: message });
  }

  #reject({ event, answer }: Waiting, code: string, message: string): void {
    const error = new PublishError(message, code, event);
    answer.reject(error);
    this.#tell("rejected", error);
  }

  /** A listener that throws must not stop the events, so it is called from elsewhere. */
  #tell<T extends keyof PublisherEvents>(type: T, value: PublisherEvents[T]): void {
    queueMicrotask(() => this.emit(type, value));
  }
}

function jsonOf(value: object): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined; // a circle, or a number too large for JSON
  }
}

/** Whatever else goes wrong, such as a key that cannot be had, may go right next time. */
function asError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError(String(error), 0);
}

function isPosted(data: unknown): data is Posted {
  const { rejected } = (data ?? {}) as Partial<Posted>;
  return Array.isArray(rejected) && rejected.every((each) => typeof each?.index === "number");
}
