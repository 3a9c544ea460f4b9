/**
 * One connection that comes back: opens a WebSocket, notices when it is dead, and opens the next
 * one after a jittered exponential wait, or at once when the user or the network returns.
 *
 * It moves text and knows no frame, except that its owner says when a connection is ready and
 * which text asks the other side for a sign of life.
 */
import { SESSION_BACKOFF } from "./backoff.ts";
import { CloseCode, isFinal } from "./close.ts";
import { Emitter } from "./emitter.ts";
import { onReturn } from "./return.ts";
import { Retry } from "./retry.ts";

/** The longest time from opening a socket to the first frame. */
const CONNECT_MS_MAX = 10_000;

/** The longest silence after asking for a sign of life. */
const PROBE_MS_MAX = 10_000;

/** A connection that lasted this long was a good one, and the next wait starts small again. */
const STABLE_MS = 5000;

/** The code browsers report when a connection ended without a close frame. */
const ABNORMAL_CLOSE = 1006;

/**
 * `idle`: closed on purpose or never opened. `waiting`: the next attempt is at `retryAt`
 * (milliseconds since the epoch); `slow` once several attempts in a row have failed. `ended`: the
 * server said no for good.
 */
export type LinkState =
  | { phase: "idle" }
  | { phase: "connecting"; attempt: number }
  | { phase: "connected" }
  | { phase: "waiting"; attempt: number; retryAt: number; slow: boolean }
  | { phase: "ended"; code: number; reason: string };

/** Why a server does not let a client in, and never will. */
export interface Refusal {
  code: number;
  reason: string;
}

/** What is used of a `WebSocket`. */
export interface SocketLike {
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror?: ((event: never) => void) | null;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}

/** Begins to connect; the platform's `WebSocket` by default. */
export type OpenSocket = (url: string, protocols?: string[]) => SocketLike;

export interface LinkOptions {
  /** Awaited before every attempt, for what has to be fetched first; a failure is a failed attempt. */
  prepare?: () => Promise<void>;
  /** Asked before every attempt, because the place to resume from moves on. */
  url: () => string;
  /** Subprotocols to offer, asked likewise; none by default. */
  protocols?: () => string[];
  /** The text that makes the other side answer. */
  probeText: string;
  /**
   * Asked when a server refused before the upgrade, which a browser tells nobody about. `null`
   * means that the next attempt may well succeed.
   */
  diagnose?: () => Promise<Refusal | null>;
  /** Whether an end with this code is one for good; as the server documents its codes. */
  isFinal?: (code: number) => boolean;
  openSocket?: OpenSocket;
  random?: () => number;
  /** A connection that lasted this long makes the next wait a short one again; 5000 ms. */
  stableMs?: number;
}

export interface LinkEvents {
  state: LinkState;
  /** The upgrade is through; nothing has been said yet. */
  open: undefined;
  text: string;
  /** A connection or an attempt has ended, with this code; the next state says what follows. */
  lost: number;
  /** So many attempts in a row have failed; from here on they are rare. */
  exhausted: number;
}

export class Link extends Emitter<LinkEvents> {
  #options: LinkOptions;
  #state: LinkState = { phase: "idle" };
  #socket: SocketLike | null = null;
  #readyAt = 0;
  #heartbeatMs = 0;
  #retry: Retry;
  #deadline: Timer;
  #heartbeat: Timer;
  #stopReturn: (() => void) | undefined;

  constructor(options: LinkOptions) {
    super();
    this.#options = options;
    this.#retry = new Retry(SESSION_BACKOFF, () => this.#connect(), options.random);
  }

  get state(): LinkState {
    return this.#state;
  }

  /** Opens now, whatever has been tried before. */
  open(): void {
    this.#retry.reset();
    this.#stopReturn?.();
    // While an attempt is planned, the return makes it at once; otherwise it asks for a sign of
    // life, because a machine that slept may hold a connection that is long dead.
    this.#stopReturn = onReturn(() => this.probe());
    this.#connect();
  }

  /** Closes with a close frame and stays closed. */
  close(): void {
    this.#detach(CloseCode.normal);
    this.#rest({ phase: "idle" });
  }

  /** The owner has seen the first frame: this connection works. */
  markReady(heartbeatMs: number): void {
    clearTimeout(this.#deadline);
    this.#readyAt = Date.now();
    this.#heartbeatMs = heartbeatMs;
    this.#armHeartbeat();
    this.#enter({ phase: "connected" });
  }

  /** Sends if there is a working connection; tells whether there was one. */
  send(text: string): boolean {
    if (this.#state.phase !== "connected") return false;
    this.#socket?.send(text);
    return true;
  }

  /** Asks for a sign of life; without one the connection is given up and replaced. */
  probe(): void {
    if (!this.send(this.#options.probeText)) return;
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#giveUp(), PROBE_MS_MAX);
  }

  #connect(): void {
    this.#detach(CloseCode.goingAway);
    this.#readyAt = 0;
    this.#enter({ phase: "connecting", attempt: this.#retry.attempt });
    this.#deadline = setTimeout(() => this.#giveUp(), CONNECT_MS_MAX);
    if (this.#options.prepare) void this.#prepare(this.#options.prepare);
    else this.#openSocket();
  }

  async #prepare(prepare: () => Promise<void>): Promise<void> {
    const prepared = this.#state;
    const isPrepared = await prepare().then(
      () => true,
      () => false,
    );
    if (this.#state !== prepared) return; // closed, or given up, meanwhile
    if (isPrepared) this.#openSocket();
    else this.#giveUp();
  }

  #openSocket(): void {
    const { openSocket = openWebSocket, url, protocols } = this.#options;
    const socket = openSocket(url(), protocols?.());
    let wasOpen = false;
    socket.onopen = () => {
      wasOpen = true;
      this.emit("open", undefined);
    };
    socket.onmessage = (event) => this.#receive(event.data);
    // `onclose` tells all there is to know; but Node's `ws` throws errors nobody listens to.
    socket.onerror = () => {};
    socket.onclose = (event) => void this.#lost(event.code, event.reason, wasOpen);
    this.#socket = socket;
  }

  #receive(data: unknown): void {
    if (this.#state.phase === "connected") {
      clearTimeout(this.#deadline);
      this.#armHeartbeat();
    }
    if (typeof data === "string") this.emit("text", data);
  }

  #armHeartbeat(): void {
    clearTimeout(this.#heartbeat);
    if (this.#heartbeatMs > 0) {
      this.#heartbeat = setTimeout(() => this.probe(), this.#heartbeatMs);
    }
  }

  #giveUp(): void {
    // A half-open socket may take minutes to report its end, so nobody waits for it.
    void this.#lost(ABNORMAL_CLOSE, "", true);
  }

  async #lost(code: number, reason: string, wasOpen: boolean): Promise<void> {
    this.#detach(CloseCode.goingAway);
    this.emit("lost", code);
    if ((this.#options.isFinal ?? isFinal)(code))
      return this.#rest({ phase: "ended", code, reason });
    if (!wasOpen && this.#options.diagnose) {
      const asked = this.#state;
      const refusal = await this.#options.diagnose().catch(() => null);
      if (this.#state !== asked) return;
      if (refusal) return this.#rest({ phase: "ended", ...refusal });
    }
    this.#wait();
  }

  #wait(): void {
    const { stableMs = STABLE_MS } = this.#options;
    if (this.#readyAt > 0 && Date.now() - this.#readyAt >= stableMs) this.#retry.reset();
    this.#retry.schedule();
    const { attempt, at, isSlow, isExhausted } = this.#retry;
    this.#enter({ phase: "waiting", attempt, retryAt: at, slow: isSlow });
    if (isExhausted) this.emit("exhausted", attempt - 1);
  }

  /** Lets go of the socket, if any, so that nothing more is heard of it, and stops every timer. */
  #detach(code: number): void {
    this.#retry.cancel();
    for (const timer of [this.#deadline, this.#heartbeat]) clearTimeout(timer);
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    // Browsers let a page send 1000 or a private code only.
    socket.close(code === CloseCode.normal ? code : undefined);
  }

  #rest(state: LinkState): void {
    this.#stopReturn?.();
    this.#enter(state);
  }

  #enter(state: LinkState): void {
    this.#state = state;
    this.emit("state", state);
  }
}

type Timer = ReturnType<typeof setTimeout> | undefined;

function openWebSocket(url: string, protocols?: string[]): SocketLike {
  return new WebSocket(url, protocols) as SocketLike;
}
