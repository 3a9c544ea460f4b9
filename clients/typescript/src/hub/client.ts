/**
 * A client of the hub (document 004): hears a tenant's events, or as a visitor those of its own
 * conversation; comes back where it stopped after every break; and says what its user says.
 *
 * It owns the cursor and the token; `core/link.ts` owns the socket, and `subscriptions.ts` knows who
 * listens to what. A page that would rather speak the frames itself needs nothing of this.
 */
import { CloseCode, isFinal, nameOfEnd, type EndName } from "../core/close.ts";
import { Bus } from "../core/emitter.ts";
import { Link, type LinkState } from "../core/link.ts";
import { TypingSignal } from "../core/typing.ts";
import type { EventName, EventPayloads } from "../generated/events.ts";
import { Entrance, type HubOptions } from "./entrance.ts";
import {
  parseHubFrame,
  type AckPayload,
  type ClientFrame,
  type ConnectedPayload,
  type EventPattern,
  type HubEvent,
  type HubFrame,
  type HubNotices,
  type Matching,
} from "./frames.ts";
import { Messages, type Sent } from "./messages.ts";
import { Progress } from "./progress.ts";
import { Reads } from "./reads.ts";
import { Subscriptions } from "./subscriptions.ts";

/** Document 004. */
const PING_INTERVAL_MS = 30_000;

/** How long a message may wait for its answer, unless it is said otherwise. */
const SEND_MS_MAX = 60_000;

/**
 * `idle`: closed on purpose or never opened. `waiting`: the next attempt is at `retryAt`
 * (milliseconds since the epoch), because the last connection came to this `end`. `ended`: coming
 * back is no use.
 */
export type HubState =
  | { phase: "idle" }
  | { phase: "connecting"; attempt: number }
  | { phase: "connected" }
  | { phase: "waiting"; attempt: number; retryAt: number; slow: boolean; end: EndName }
  | { phase: "ended"; end: EndName; code: number; reason: string };

/** What a client tells beside the events. */
export interface HubOwn extends HubNotices {
  state: HubState;
  /** So many attempts in a row have failed; it goes on, every 30 to 60 seconds. */
  exhausted: number;
}

export class HubClient {
  readonly options: Readonly<HubOptions>;
  #link: Link;
  #subscriptions = new Subscriptions();
  #messages: Messages;
  #reads = new Reads();
  #typing = new Map<string, TypingSignal>();
  #heard = new Bus<Record<string, [unknown, unknown?]>>();
  #any = new Bus<{ event: HubEvent }>();
  #entrance: Entrance;
  #progress: Progress;
  #connection: ConnectedPayload | undefined;
  #lastEnd: EndName = "network_error";
  #pingTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: HubOptions = {}) {
    this.options = options;
    this.#progress = new Progress(options.after);
    this.#entrance = new Entrance(options);
    this.#link = this.#newLink();
    const { sendMsMax = SEND_MS_MAX } = options;
    this.#messages = new Messages({
      send: (frame) => this.#send(frame),
      probe: () => this.#link.probe(),
      waitMsMax: sendMsMax,
    });
    this.#link.on("lost", (code) => (this.#lastEnd = nameOfEnd(code)));
    this.#link.on("state", (state) => this.#onLink(state));
    this.#link.on("text", (text) => this.#onText(text));
    this.#link.on("exhausted", (attempts) => this.#tell("exhausted", attempts));
  }

  get state(): HubState {
    return stateOf(this.#link.state, this.#lastEnd);
  }

  /** How far the tenant's log has been read; opaque. What `after` takes the next time. */
  get cursor(): string | undefined {
    return this.#progress.cursor;
  }

  /** What the server said of the newest connection: who this is and, for visitors, where. */
  get connection(): ConnectedPayload | undefined {
    return this.#connection;
  }

  /** Connects now; also the way to skip a wait. */
  connect(): void {
    if (!this.options.openSocket && typeof WebSocket === "undefined") {
      throw new Error("there is no WebSocket here; options.openSocket has to give one");
    }
    this.#link.open();
  }

  /** Leaves. The cursor stays, so that `connect` goes on where it stopped. */
  disconnect(): void {
    for (const signal of this.#typing.values()) signal.stop();
    this.#link.close();
    this.#messages.rejectAll("disconnected", "the client has disconnected");
  }

  /**
   * Hears these events. Until the first call the server tells everything this user may hear; from
   * then on only what is subscribed to, and what is addressed to the user. The function it gives
   * ends it.
   */
  subscribe<P extends EventPattern>(
    patterns: readonly P[],
    handler?: (event: HubEvent<Matching<P>>) => void,
  ): () => void {
    const heard = handler as ((event: HubEvent) => void) | undefined;
    const subscription = this.#subscriptions.add(patterns, heard);
    this.#sync();
    return () => {
      this.#subscriptions.remove(subscription.patterns, subscription);
      this.#sync();
    };
  }

  /** Ends what was subscribed to under these very patterns, whoever did. */
  unsubscribe(patterns: readonly EventPattern[]): void {
    this.#subscriptions.remove(patterns);
    this.#sync();
  }

  /** Calls `handler` on every event of a name that comes, or on something of the client's own. */
  on<T extends EventName>(
    type: T,
    handler: (payload: EventPayloads[T], event: HubEvent<T>) => void,
  ): () => void;
  on<T extends keyof HubOwn>(type: T, handler: (value: HubOwn[T]) => void): () => void;
  on(type: string, handler: (value: never, event: never) => void): () => void {
    return this.#heard.on(type, ([value, event]) => handler(value as never, event as never));
  }

  /** Calls `handler` on every event, also on those of names that this client does not know. */
  onAny(handler: (event: HubEvent) => void): () => void {
    return this.#any.on("event", handler);
  }

  /**
   * Says something in a conversation. Kept when the server has it, rejects with `HubError`, and may
   * be ignored. What is on its way when the line breaks is sent again, and known again.
   */
  sendMessage(sessionId: string, body: string): Promise<Sent> {
    const sent = this.#messages.add(sessionId, body);
    this.#rejectIfEnded();
    return sent;
  }

  /** The user has pressed a key; told as often as is needed. */
  typing(sessionId: string): void {
    if (this.#link.state.phase !== "connected") return;
    const signal = this.#typing.get(sessionId) ?? this.#newSignal(sessionId);
    signal.touch();
  }

  /** The user has sent, emptied or left the input. */
  stopTyping(sessionId: string): void {
    this.#typing.get(sessionId)?.stop();
  }

  /** The user has seen these. Told again after a break, until it is known to have arrived. */
  markRead(notificationIds: readonly string[]): void {
    this.#reads.add(notificationIds);
    this.#sendReads([...notificationIds]);
  }

  /** Renews the token of this connection and of those to come. */
  authenticate(token: string): void {
    this.#entrance.bear(token);
    this.#send({ type: "authenticate", payload: { token } });
  }

  #newLink(): Link {
    const { random, openSocket } = this.options;
    const entrance = this.#entrance;
    return new Link({
      url: () => entrance.url(this.#subscriptions.forNewConnection(), this.cursor),
      protocols: () => entrance.protocols(),
      probeText: JSON.stringify({ type: "ping" } satisfies ClientFrame),
      diagnose: () => entrance.diagnose(),
      isFinal: (code) => isFinal(code) && !(code === CloseCode.tokenEnded && entrance.isRenewable),
      ...(entrance.isRenewable && { prepare: () => this.#renewToken() }),
      ...(random && { random }),
      ...(openSocket && { openSocket }),
    });
  }

  async #renewToken(): Promise<void> {
    try {
      await this.#entrance.renew();
    } catch (error) {
      this.#tell("error", { code: "no_token", message: String(error) });
      throw error;
    }
  }

  #onLink(state: LinkState): void {
    if (state.phase !== "connected") {
      clearTimeout(this.#pingTimer);
      for (const signal of this.#typing.values()) signal.reset();
      this.#typing.clear();
      this.#messages.onLost();
    }
    this.#rejectIfEnded();
    this.#tell("state", this.state);
  }

  #rejectIfEnded(): void {
    const { state } = this;
    if (state.phase === "ended") this.#messages.rejectAll(state.end, state.reason || state.end);
  }

  #onText(text: string): void {
    const frame = parseHubFrame(text);
    if (!frame) return;
    if (frame.type === "resync") this.#progress.onResync();
    switch (frame.type) {
      case "connected":
        return this.#onConnected(frame.payload as ConnectedPayload, frame.timestamp);
      case "pong":
        return this.#reads.onPong();
      case "ack":
        return this.#messages.onAck(frame.payload as AckPayload);
      case "resync":
      case "subscribed":
      case "unsubscribed":
      case "error":
      case "authenticated":
        return this.#heard.emit(frame.type, [frame.payload]);
      default:
        this.#onEvent(frame);
    }
  }

  #onConnected(payload: ConnectedPayload, timestamp: string | undefined): void {
    this.#connection = payload;
    this.#progress.onConnected(payload.cursor, timestamp);
    this.#entrance.keepKey(payload);
    this.#link.markReady(0);
    this.#pingTimer = setTimeout(() => this.#ping(), PING_INTERVAL_MS);
    this.#sync();
    this.#sendReads(this.#reads.pending);
    this.#messages.sendFirst();
    this.#tell("connected", payload);
  }

  #onEvent(frame: HubFrame): void {
    if (!this.#progress.add(frame)) return;
    const event = frame as HubEvent;
    if (event.type === "notification.read") this.#reads.confirm(event.payload.notification_ids);
    this.#any.emit("event", event);
    this.#heard.emit(event.type, [event.payload, event]);
    this.#subscriptions.tell(event);
  }

  #ping(): void {
    this.#pingTimer = setTimeout(() => this.#ping(), PING_INTERVAL_MS);
    this.#reads.onPing();
    this.#link.probe();
  }

  #newSignal(session_id: string): TypingSignal {
    const signal = new TypingSignal((is_typing) => {
      this.#send({ type: "chat.typing", payload: { session_id, is_typing } });
      if (!is_typing) this.#typing.delete(session_id);
    });
    this.#typing.set(session_id, signal);
    return signal;
  }

  #sendReads(notification_ids: string[]): void {
    if (notification_ids.length === 0) return;
    this.#send({ type: "notification.read", payload: { notification_ids } });
  }

  #sync(): void {
    if (this.#link.state.phase !== "connected") return; // the next connection asks for it
    for (const frame of this.#subscriptions.changes()) this.#send(frame);
  }

  #send(frame: ClientFrame): boolean {
    return this.#link.send(JSON.stringify(frame));
  }

  #tell<T extends keyof HubOwn>(type: T, value: HubOwn[T]): void {
    this.#heard.emit(type, [value]);
  }
}

function stateOf(link: LinkState, end: EndName): HubState {
  if (link.phase === "waiting") return { ...link, end };
  return link.phase === "ended" ? { ...link, end: nameOfEnd(link.code) } : link;
}
