/**
 * One Socket.IO connection that comes back. It owns the socket of the official client, the
 * attempts, and the cursor that goes along with each of them; it says when there is a line and
 * what comes over it, and knows no event's meaning but those of `cursor` and `error`.
 *
 * The official client's own reconnecting stays off: it gives up for good after its last attempt,
 * cannot be hurried when the network returns, and does nothing after "io server disconnect".
 */
import { Manager, type ManagerOptions, type Socket } from "socket.io-client";
import { SOCKETIO_BACKOFF } from "../core/backoff.ts";
import { Emitter } from "../core/emitter.ts";
import type { Meter } from "../core/metrics.ts";
import { Retry } from "../core/retry.ts";
import { currentToken, type TokenSource } from "../core/token.ts";
import type { Ack, ConnectionDetail, OwnEvents, PacketRecord, ServerError } from "./events.ts";
import { tapPackets } from "./packets.ts";

/** The longest time from the first packet to the server's yes. */
const CONNECT_MS_MAX = 10_000;

/** The longest wait for the answer to a command. */
export const ACK_MS_MAX = 10_000;

/** A connection that lasted this long was a good one, and the next wait starts small again. */
const STABLE_MS = 5000;

/** Refusals that another try may well turn into a yes. */
const PASSING_CODES: ReadonlySet<string> = new Set([
  "rate_limited",
  "too_many_connections",
  "presence_unavailable",
  "unavailable",
  "internal",
]);

/** Errors after which the server ends a connection for good. */
const FINAL_CODES: ReadonlySet<string> = new Set([
  "unauthorized",
  "forbidden",
  "not_found",
  "user_type_conflict",
  "kicked",
]);

export type Transport = "websocket" | "polling";

export interface ConnectionOptions {
  /** Scheme, host and port. */
  origin: string;
  token?: TokenSource | undefined;
  sessionId?: string | undefined;
  transports?: readonly Transport[] | undefined;
  /** More for the official client, such as `path` or `extraHeaders`. */
  io?: Partial<ManagerOptions> | undefined;
  random?: (() => number) | undefined;
  meter: Meter;
}

export interface ConnectionParts extends Pick<
  OwnEvents,
  "connection" | "connect_error" | "disconnect" | "reconnect_attempt" | "reconnect"
> {
  reconnect_failed: number;
  packet: PacketRecord;
  /** There is a line. `recovered`: rooms and missed events come back by themselves. */
  ready: { recovered: boolean };
  event: { name: string; payload: unknown };
}

interface Refused extends Error {
  data?: { code?: string; retry_after?: number };
}

export class Connection extends Emitter<ConnectionParts> {
  #options: ConnectionOptions;
  #socket: Socket;
  #retry: Retry;
  #detail: ConnectionDetail = { state: "disconnected", phase: "idle", attempt: 0, slow: false };
  #cursor: string | undefined;
  #readyAt = 0;
  #wasReady = false;
  #lastError: ServerError | undefined;
  #deadline: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ConnectionOptions) {
    super();
    this.#options = options;
    this.#retry = new Retry(SOCKETIO_BACKOFF, () => this.#attempt(), options.random);
    this.#socket = this.#newSocket();
  }

  get detail(): ConnectionDetail {
    return this.#detail;
  }

  get isReady(): boolean {
    return this.#detail.phase === "connected";
  }

  get socketId(): string | undefined {
    return this.#socket.id;
  }

  /** Connects now, whatever has been tried before; nothing when there is a line already. */
  open(): void {
    if (this.#detail.phase === "connected" || this.#detail.phase === "connecting") return;
    this.#options.meter.start();
    this.#retry.reset();
    this.#attempt();
  }

  /** Closes on purpose and stays closed. */
  close(): void {
    if (this.#detail.phase === "idle") return;
    const reason = "io client disconnect";
    const wasReady = this.isReady;
    this.#retry.reset();
    this.#drop();
    this.#enter("idle", { reason });
    if (wasReady) this.emit("disconnect", reason);
  }

  /** Uses this token from now on, on the present line too. */
  renew(token: TokenSource): void {
    this.#options = { ...this.#options, token };
    void currentToken(token).then(
      (text) => this.say("authenticate", { token: text }),
      () => {
        // The next attempt asks again, and tells if that fails too.
      },
    );
  }

  /** Says something if there is a line; tells whether there was one. */
  say(name: string, payload: unknown): boolean {
    if (!this.isReady) return false;
    this.#socket.emit(name, payload);
    return true;
  }

  /** Asks for something; `null` when nobody answers: no line, a line that broke, or too late. */
  ask<T extends Ack>(name: string, payload: unknown): Promise<T | null> {
    if (!this.isReady) return Promise.resolve(null);
    return new Promise((resolve) => {
      this.#socket
        .timeout(ACK_MS_MAX)
        .emit(name, payload, (error: Error | null, answer: T) => resolve(error ? null : answer));
    });
  }

  #newSocket(): Socket {
    const { origin, transports = ["websocket", "polling"], io } = this.#options;
    const manager = new Manager(origin, {
      ...io,
      transports: [...transports],
      // Where WebSocket is blocked, polling is tried within the same attempt.
      tryAllTransports: true,
      timeout: CONNECT_MS_MAX,
      reconnection: false,
      autoConnect: false,
    });
    tapPackets(manager, (record) => this.emit("packet", record));
    const auth = (send: (auth: object) => void) => {
      this.#auth().then(send, (error: unknown) => this.#onConnectError(asError(error)));
    };
    const socket = manager.socket("/", { auth });
    socket.on("connect", () => this.#onConnect());
    socket.on("connect_error", (error) => this.#onConnectError(error as Refused));
    socket.on("disconnect", (reason) => this.#onDisconnect(reason));
    socket.onAny((name: string, payload: unknown) => this.#onEvent(name, payload));
    return socket;
  }

  async #auth(): Promise<object> {
    const { token, sessionId } = this.#options;
    const auth = { token: await currentToken(token), sessionId, after: this.#cursor };
    return Object.fromEntries(Object.entries(auth).filter(([, value]) => value !== undefined));
  }

  #attempt(): void {
    const { attempt } = this.#retry;
    if (attempt > 0) this.emit("reconnect_attempt", attempt);
    this.#lastError = undefined;
    this.#enter("connecting");
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(
      () => this.#onConnectError(new Error("the server did not answer in time")),
      CONNECT_MS_MAX,
    );
    this.#socket.connect();
  }

  #onConnect(): void {
    clearTimeout(this.#deadline);
    const { attempt } = this.#retry;
    const { recovered } = this.#socket;
    this.#readyAt = Date.now();
    this.#options.meter.up();
    const isBack = this.#wasReady;
    this.#wasReady = true;
    this.#enter("connected");
    if (isBack) this.#options.meter.count("reconnects");
    if (isBack || attempt > 0) this.emit("reconnect", attempt);
    this.emit("ready", { recovered });
  }

  #onConnectError(error: Refused): void {
    if (this.#detail.phase !== "connecting") return;
    // The official client keeps a socket active unless the server itself has said no.
    const isRefused = !this.#socket.active;
    const { code, retry_after } = error.data ?? {};
    this.#options.meter.count("errors");
    this.#drop();
    if (isRefused && !PASSING_CODES.has(code ?? "")) {
      this.#enter("ended", { reason: error.message, ...(code && { code }) });
    } else {
      this.#wait(error.message, retry_after);
    }
    this.emit("connect_error", error);
  }

  #onDisconnect(reason: string): void {
    if (this.#detail.phase !== "connected" && this.#detail.phase !== "connecting") return;
    const error = this.#lastError;
    this.#drop();
    if (reason === "io server disconnect" && this.#isFinal(error)) {
      const { message, code } = error!;
      this.#enter("ended", { reason: message, ...(code && { code }) });
    } else {
      this.#wait(reason, error?.retry_after);
    }
    this.emit("disconnect", reason);
  }

  /** Whether the error before a server's end says that coming back is no use. */
  #isFinal(error: ServerError | undefined): boolean {
    // A function may know a newer token than the one that has just ended.
    if (error?.code === "unauthorized") return typeof this.#options.token !== "function";
    return FINAL_CODES.has(error?.code ?? "");
  }

  #onEvent(name: string, payload: unknown): void {
    if (name === "cursor") {
      if (typeof payload === "string") this.#cursor = payload;
      return;
    }
    if (name === "error") {
      const error = payload as ServerError;
      this.#options.meter.count("errors");
      // The answer to a command says nothing about the connection.
      if (error.event === undefined || error.event === "authenticate") this.#lastError = error;
    }
    this.emit("event", { name, payload });
  }

  #wait(reason: string, retryAfterSeconds = 0): void {
    if (this.#readyAt > 0 && Date.now() - this.#readyAt >= STABLE_MS) this.#retry.reset();
    this.#readyAt = 0;
    this.#retry.schedule(retryAfterSeconds * 1000);
    this.#enter("waiting", { reason, retryAt: this.#retry.at });
    if (this.#retry.isExhausted) this.emit("reconnect_failed", this.#retry.attempt - 1);
  }

  /** Lets go of whatever line or attempt there is; the socket can be connected again. */
  #drop(): void {
    clearTimeout(this.#deadline);
    this.#options.meter.down();
    // No longer connected before the socket says so, so that its word is not taken for a loss.
    this.#detail = { ...this.#detail, phase: "idle" };
    this.#socket.disconnect();
  }

  #enter(phase: ConnectionDetail["phase"], more: Partial<ConnectionDetail> = {}): void {
    const { attempt, isSlow: slow } = this.#retry;
    const isTrying = phase === "waiting" || phase === "connecting";
    const isComingBack = isTrying && attempt > 0 && !slow;
    const state =
      phase === "connected" ? "connected" : isComingBack ? "reconnecting" : "disconnected";
    this.#detail = { state, phase, attempt, slow, ...more };
    this.emit("connection", this.#detail);
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
