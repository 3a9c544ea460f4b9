/**
 * A client of the session dialect: keeps one user connected to one session, resumes without a gap
 * after every break, sends each message exactly once, and says what it hears.
 *
 * It owns the cursor, the outbox and the receipts; `link.ts` owns the socket; what the frames mean
 * for a screen is `conversation.ts`. No part of it touches the DOM.
 */
import { Emitter } from "../core/emitter.ts";
import { Meter, type ClientMetrics } from "../core/metrics.ts";
import { Outbox, type Outgoing } from "../core/outbox.ts";
import { browserStorage, readJson, type KeyValueStorage } from "../core/storage.ts";
import { TypingSignal } from "../core/typing.ts";
import { randomUuid } from "../core/uuid.ts";
import {
  parseFrame,
  type AckData,
  type ClientFrame,
  type EstablishedData,
  type HistoryRequest,
  type MessageData,
  type ServerFrame,
  type UserType,
} from "./frames.ts";
import { Link, type LinkOptions, type LinkState } from "../core/link.ts";

/** How many messages of the past are asked for at a time. */
const HISTORY_PAGE = 50;

/** An unconfirmed message makes the client doubt its connection after this time. */
const ACK_MS_MAX = 10_000;

/** Receipts that come together are sent as one. */
const READ_DELAY_MS = 200;

export interface SessionOptions extends Pick<LinkOptions, "diagnose" | "openSocket" | "random"> {
  /** `ws://` or `wss://`, host and port. */
  baseUrl: string;
  sessionId: string;
  userId: string;
  userType: UserType;
  /** Not needed where the server keeps its sessions open. */
  token?: string | undefined;
  /** Where the cursor and what is unsent survive a reload; the browser's `localStorage`. */
  storage?: KeyValueStorage;
  /** Under which name; `switchboard.session.{sessionId}.{userId}`. */
  storageKey?: string;
}

/** One frame as it went over the wire. */
export interface FrameRecord {
  direction: "in" | "out";
  /** Milliseconds since the epoch. */
  at: number;
  text: string;
}

export interface SessionEvents {
  link: LinkState;
  /** So many attempts in a row have failed; it goes on, every 30 to 60 seconds. */
  exhausted: number;
  /** A frame from the server; messages that came before are left out. */
  frame: ServerFrame;
  outbox: readonly Outgoing[];
  raw: FrameRecord;
}

export class SessionClient extends Emitter<SessionEvents> {
  readonly options: Readonly<SessionOptions>;
  #link: Link;
  #outbox: Outbox;
  #meter = new Meter();
  #storage: KeyValueStorage;
  #cursorKey: string;
  #typing = new TypingSignal((is_typing) => {
    this.#send({ type: "typing_indicator", data: { is_typing } });
  });
  #cursor: string | undefined;
  /** Where the present connection began to listen; a fresh start when the cursor is lost. */
  #headCursor: string | undefined;
  #seen = new Set<number>();
  #wasConnected = false;
  #historyLoaded = false;
  #readSeq = 0;
  #readTimer: ReturnType<typeof setTimeout> | undefined;
  #token: string | undefined;

  constructor(options: SessionOptions) {
    super();
    this.options = options;
    this.#token = options.token;
    const { storage = browserStorage(), sessionId, userId } = options;
    const key = options.storageKey ?? `switchboard.session.${sessionId}.${userId}`;
    this.#storage = storage;
    this.#cursorKey = `${key}.cursor`;
    this.#cursor = readJson<string>(storage, this.#cursorKey) ?? undefined;
    this.#outbox = new Outbox({ storage, key: `${key}.outbox` });
    this.#link = new Link({
      ...options,
      url: () => this.#url(),
      probeText: JSON.stringify({ type: "ping" } satisfies ClientFrame),
    });
    this.#link.on("state", (state) => this.#onLinkState(state));
    this.#link.on("text", (text) => this.#onText(text));
    this.#link.on("exhausted", (attempts) => this.emit("exhausted", attempts));
  }

  get link(): LinkState {
    return this.#link.state;
  }

  get outbox(): readonly Outgoing[] {
    return this.#outbox.entries;
  }

  /** How far the log has been read; opaque. */
  get cursor(): string | undefined {
    return this.#cursor;
  }

  /** Whether what is unsent would survive a reload. */
  get isOutboxSaved(): boolean {
    return this.#outbox.isSaved;
  }

  metrics(): ClientMetrics {
    return this.#meter.read();
  }

  /** Connects now; also the way to skip a wait. */
  connect(): void {
    this.#meter.start();
    this.#link.open();
  }

  /** Leaves; messages written meanwhile wait for the next `connect`. */
  disconnect(): void {
    this.#typing.stop();
    this.#link.close();
  }

  /** Sends a message, now or as soon as there is a connection. `null`: the outbox is full. */
  send(content: string): Outgoing | null {
    if (this.#outbox.isFull) return null;
    const clientId = randomUuid();
    const entry: Outgoing = { clientId, content, queuedAt: Date.now(), state: "pending" };
    this.#outbox.add(entry);
    this.#meter.count("sent");
    this.#typing.stop();
    this.#outboxChanged();
    this.#transmit(entry);
    return entry;
  }

  /** Sends a refused message again. */
  retry(clientId: string): void {
    this.#outbox.update(clientId, { state: "pending" });
    this.#outboxChanged();
    const entry = this.#outbox.pending.find((pending) => pending.clientId === clientId);
    if (entry) this.#transmit(entry);
  }

  /** Gives a refused message up. */
  discard(clientId: string): void {
    if (this.#outbox.remove(clientId)) this.#outboxChanged();
  }

  /** The user has pressed a key in the input. */
  typing(): void {
    if (this.#link.state.phase === "connected") this.#typing.touch();
  }

  /** The input is empty again. */
  stopTyping(): void {
    this.#typing.stop();
  }

  /** The user has seen everything up to `seq`. */
  markRead(seq: number): void {
    if (seq <= this.#readSeq) return;
    this.#readSeq = seq;
    clearTimeout(this.#readTimer);
    this.#readTimer = setTimeout(() => this.#sendRead(), READ_DELAY_MS);
  }

  /** Asks for older messages; they come as a `history` frame. */
  history(request: HistoryRequest): boolean {
    return this.#send({ type: "history", data: { limit: HISTORY_PAGE, ...request } });
  }

  /** Renews the token of this connection and of those to come. */
  authenticate(token: string): void {
    this.#token = token;
    this.#send({ type: "authenticate", data: { token } });
  }

  /** Doubts the connection, for instance after the machine has slept. */
  probe(): void {
    this.#link.probe();
  }

  #url(): string {
    const { baseUrl, sessionId, userId, userType } = this.options;
    const path = ["ws", sessionId, userId, userType].map(encodeURIComponent).join("/");
    const query = new URLSearchParams();
    if (this.#token) query.set("token", this.#token);
    if (this.#cursor) query.set("after", this.#cursor);
    return `${baseUrl}/${path}${query.size > 0 ? `?${query}` : ""}`;
  }

  #onLinkState(state: LinkState): void {
    if (state.phase !== "connected") {
      this.#meter.down();
      this.#typing.reset();
      clearTimeout(this.#readTimer);
    }
    if (state.phase === "waiting" || state.phase === "ended") this.#meter.count("errors");
    this.emit("link", state);
  }

  #onText(text: string): void {
    this.emit("raw", { direction: "in", at: Date.now(), text });
    const frame = parseFrame(text);
    if (!frame) return;
    if (frame.type === "connection_established") return this.#onEstablished(frame.data, frame);
    this.#handle(frame);
    this.#advance(frame);
  }

  #onEstablished(data: EstablishedData, frame: ServerFrame): void {
    this.#headCursor = data.cursor;
    // With `after` the missed frames are still to come, and each brings its own cursor.
    if (this.#cursor === undefined && data.cursor !== undefined) this.#moveCursor(data.cursor);
    this.#link.markReady((data.heartbeat_interval ?? 0) * 1000);
    this.#meter.up();
    if (this.#wasConnected) this.#meter.count("reconnects");
    this.#wasConnected = true;
    this.emit("frame", frame);
    if (!this.#historyLoaded) this.history({});
    for (const entry of this.#outbox.pending) this.#transmit(entry);
    this.#sendRead();
  }

  #handle(frame: ServerFrame): void {
    switch (frame.type) {
      case "message":
        this.#settle([frame.data]);
        if (this.#isNew(frame.data.seq)) this.emit("frame", frame);
        return;
      case "history": {
        this.#historyLoaded = true;
        this.#settle(frame.data.messages);
        const messages = frame.data.messages.filter((message) => this.#isNew(message.seq));
        return this.emit("frame", { ...frame, data: { ...frame.data, messages } });
      }
      case "ack":
        this.#onAck(frame.data);
        break;
      case "resync":
        this.#onResync();
        break;
      case "error":
        this.#meter.count("errors");
    }
    this.emit("frame", frame);
  }

  /** Our own messages among these have arrived: their place is no longer the outbox. */
  #settle(messages: readonly MessageData[]): void {
    const own = messages.filter((message) => message.user_id === this.options.userId);
    const waited = own.flatMap(({ client_id }) => this.#outbox.find(client_id ?? "") ?? []);
    for (const { clientId, state } of waited) {
      if (state !== "acked") this.#meter.count("delivered");
      this.#outbox.remove(clientId);
    }
    if (waited.length > 0) this.#outboxChanged();
  }

  #isNew(seq: number): boolean {
    const isNew = !this.#seen.has(seq);
    this.#seen.add(seq);
    return isNew;
  }

  #onAck(ack: AckData): void {
    const entry = this.#outbox.find(ack.client_id ?? "");
    if (!entry) return;
    const { clientId } = entry;
    if (ack.success) {
      if (entry.state !== "acked") this.#meter.count("delivered");
      if (ack.seq !== undefined && this.#seen.has(ack.seq)) this.#outbox.remove(clientId);
      else this.#outbox.update(clientId, { state: "acked" });
    } else if (ack.retry_after !== undefined) {
      setTimeout(() => this.retry(clientId), ack.retry_after * 1000);
    } else {
      this.#meter.count("failed");
      const { code = "refused", error = code } = ack;
      this.#outbox.update(clientId, { state: "failed", code, error });
    }
    this.#outboxChanged();
  }

  /** The log has moved past our cursor: everything is read anew. */
  #onResync(): void {
    if (this.#headCursor !== undefined) this.#moveCursor(this.#headCursor);
    this.#seen.clear();
    this.#historyLoaded = false;
    this.history({});
  }

  /** Remembers how far the log has been read; answers to commands are not part of the log. */
  #advance(frame: ServerFrame): void {
    if (frame.type === "ack" || frame.type === "history" || frame.type === "resync") return;
    const { cursor } = frame.data as { cursor?: unknown };
    if (typeof cursor === "string" && cursor !== this.#cursor) this.#moveCursor(cursor);
  }

  #moveCursor(cursor: string): void {
    this.#cursor = cursor;
    this.#storage.set(this.#cursorKey, JSON.stringify(cursor));
  }

  #transmit(entry: Outgoing): void {
    const { clientId: client_id, content } = entry;
    if (!this.#send({ type: "message", data: { content, client_id } })) return;
    setTimeout(() => {
      const stillPending = this.#outbox.pending.some((other) => other.clientId === client_id);
      if (stillPending) this.#link.probe();
    }, ACK_MS_MAX);
  }

  #sendRead(): void {
    if (this.#readSeq > 0) this.#send({ type: "read", data: { seq: this.#readSeq } });
  }

  #send(frame: ClientFrame): boolean {
    const text = JSON.stringify(frame);
    const sent = this.#link.send(text);
    if (sent) this.emit("raw", { direction: "out", at: Date.now(), text });
    return sent;
  }

  #outboxChanged(): void {
    this.emit("outbox", this.#outbox.entries);
  }
}
