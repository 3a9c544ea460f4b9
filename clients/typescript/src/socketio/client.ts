/**
 * The client of the Socket.IO dialect, of which `admin.ts` and `widget.ts` are the two faces that
 * document 003 shows. It joins the parts (connection, rooms, sender, receipts, typing) and gives
 * every event out under its name.
 *
 * Listeners outlive connections. Each registration returns the function that ends it.
 */
import { Bus } from "../core/emitter.ts";
import { Meter, type ClientMetrics } from "../core/metrics.ts";
import { Outbox, type Outgoing, type OutboxPlace } from "../core/outbox.ts";
import { browserStorage, memoryStorage, type KeyValueStorage } from "../core/storage.ts";
import { ownerOf, type TokenSource } from "../core/token.ts";
import { bindTyping, TypingSignal, type TypingInput } from "../core/typing.ts";
import { RestClient } from "../rest.ts";
import { Connection, type ConnectionOptions, type Transport } from "./connection.ts";
import type {
  Authenticated,
  ChatEvents,
  ConnectionDetail,
  ConnectionState,
  HistoryPage,
  JoinAck,
  MessageReceived,
  ServerError,
} from "./events.ts";
import { Receipts } from "./receipts.ts";
import { Rooms, type HistoryRange } from "./rooms.ts";
import { Sender, type SendCallback } from "./sender.ts";

export type Unsubscribe = () => void;
export type JoinCallback = (answer: JoinAck) => void;

export interface ChatOptions {
  /** The first that works is used; WebSocket, then polling. */
  transports?: readonly Transport[];
  /** Sends by `POST /api/messages` while connecting fails. Needs a token. */
  restFallback?: boolean;
  /** Where unsent messages survive a reload; the browser's `localStorage`. */
  storage?: KeyValueStorage;
  /**
   * Under which name; by default one for each server and user. Needed where the token is a
   * function, which does not tell its user beforehand; without it, messages do not survive then.
   */
  storageKey?: string;
  /** More for the official client, such as `path` or `extraHeaders`. */
  io?: ConnectionOptions["io"];
  /** For tests: where the randomness of the waits comes from. */
  random?: () => number;
}

/** Who connects, and to which server. */
export interface Login extends ChatOptions {
  url: string | undefined;
  token?: TokenSource | undefined;
  sessionId?: string | undefined;
  /** For the REST fallback, where the connection itself has no token. */
  restToken?: TokenSource | undefined;
}

interface Line {
  login: Login;
  connection: Connection;
  outbox: Outbox;
  rooms: Rooms;
  sender: Sender;
  receipts: Receipts;
}

export class ChatClient {
  #bus = new Bus<ChatEvents>();
  #meter = new Meter();
  #typing = new Map<string, TypingSignal>();
  #line: Line | undefined;
  #user: Authenticated | undefined;

  /** Calls `listener` on every event of this name: the server's, or one of `OwnEvents`. */
  on<T extends keyof ChatEvents>(name: T, listener: (value: ChatEvents[T]) => void): Unsubscribe;
  on(name: string, listener: (value: unknown) => void): Unsubscribe;
  on(name: string, listener: (value: never) => void): Unsubscribe {
    return this.#bus.on(name as keyof ChatEvents, listener as never);
  }

  onMessageReceived(listener: (message: MessageReceived) => void): Unsubscribe {
    return this.on("message_received", listener);
  }

  onTypingIndicator(listener: (value: ChatEvents["typing_indicator"]) => void): Unsubscribe {
    return this.on("typing_indicator", listener);
  }

  onPresenceUpdate(listener: (value: ChatEvents["presence_update"]) => void): Unsubscribe {
    return this.on("presence_update", listener);
  }

  onMessageStatus(listener: (value: ChatEvents["message_status"]) => void): Unsubscribe {
    return this.on("message_status", listener);
  }

  onError(listener: (error: ServerError) => void): Unsubscribe {
    return this.on("error", listener);
  }

  /** Called when the state of document 003 changes, or what is known about its future. */
  onConnectionChange(
    listener: (state: ConnectionState, detail: ConnectionDetail) => void,
  ): Unsubscribe {
    let last = "";
    return this.on("connection", (detail) => {
      const news = `${detail.state} ${detail.slow} ${detail.phase === "ended"}`;
      // The very first attempt is no change: there was no connection before it either.
      const isFirst = last === "" && detail.phase === "connecting";
      if (news !== last && !isFirst) listener(detail.state, detail);
      if (!isFirst) last = news;
    });
  }

  get connection(): ConnectionDetail {
    const none: ConnectionDetail = {
      state: "disconnected",
      phase: "idle",
      attempt: 0,
      slow: false,
    };
    return this.#line?.connection.detail ?? none;
  }

  get state(): ConnectionState {
    return this.connection.state;
  }

  get isConnected(): boolean {
    return this.state === "connected";
  }

  /** Whom the server knows us as, once it has said so. */
  get user(): Authenticated | undefined {
    return this.#user;
  }

  /** The official client's id of the present connection. */
  get socketId(): string | undefined {
    return this.#line?.connection.socketId;
  }

  /** What waits to be sent, oldest first, refused messages included. */
  get outbox(): readonly Outgoing[] {
    return this.#line?.outbox.entries ?? [];
  }

  /** Whether what waits would survive a reload; `false` when the browser's storage is full. */
  get isOutboxSaved(): boolean {
    return this.#line?.outbox.isSaved ?? true;
  }

  /** The conversations this client wants to be in. */
  get conversations(): string[] {
    return this.#line?.rooms.ids ?? [];
  }

  metrics(): ClientMetrics {
    return this.#meter.read();
  }

  /** Closes the connection and leaves every conversation; what waits stays, listeners too. */
  disconnect(): void {
    this.#stopTyping();
    this.#line?.rooms.clear();
    this.#line?.receipts.stop();
    this.#line?.connection.close();
  }

  /** Closes the connection and forgets every listener: the end of a page or a component. */
  dispose(): void {
    this.disconnect();
    this.#bus.clear();
  }

  /** Renews the token of this connection and of those to come, before the old one ends. */
  authenticate(token: TokenSource): void {
    const line = this.#needLine();
    line.login = { ...line.login, token };
    line.connection.renew(token);
  }

  /** Connects again after `disconnect`, or now instead of at the end of a wait. */
  reconnect(): void {
    this.#needLine().connection.open();
  }

  /** Joins now and after every break, until `leaveConversation`. */
  joinConversation(id: string, callback?: JoinCallback): Promise<JoinAck> {
    return called(this.#needLine().rooms.join(id), callback);
  }

  leaveConversation(id: string, callback?: JoinCallback): Promise<JoinAck> {
    this.#typing.get(id)?.reset();
    this.#typing.delete(id);
    return called(this.#needLine().rooms.leave(id), callback);
  }

  /** A page of the past, the newest one without a range. Rejects with a `ChatError`. */
  history(conversationId: string, range?: HistoryRange): Promise<HistoryPage> {
    return this.#needLine().rooms.history(conversationId, range);
  }

  /** The user has seen everything in this conversation up to `seq`. */
  markRead(conversationId: string, seq: number): void {
    this.#needLine().receipts.mark(conversationId, seq);
  }

  /** Sends a refused message again, with the same client id. */
  retryMessage(clientId: string): void {
    this.#line?.sender.retry(clientId);
  }

  /** Gives a message up. */
  discardMessage(clientId: string): void {
    this.#line?.sender.discard(clientId);
  }

  protected open(login: Login): void {
    if (!this.#line || !isSameLogin(this.#line.login, login)) {
      this.disconnect();
      this.#user = undefined;
      this.#line = this.#newLine(login);
    }
    this.#line.connection.open();
  }

  protected send(
    conversationId: string,
    content: string,
    callback?: SendCallback,
    clientId?: string,
  ): string | null {
    this.#typing.get(conversationId)?.stop();
    return this.#needLine().sender.send(conversationId, content, callback, clientId);
  }

  protected startTyping(conversationId: string): void {
    if (this.isConnected) this.#typingIn(conversationId).touch();
  }

  protected endTyping(conversationId: string): void {
    this.#typing.get(conversationId)?.stop();
  }

  protected bindTypingTo(
    input: TypingInput,
    conversationId: () => string | undefined,
  ): Unsubscribe {
    const withId = (use: (id: string) => void) => () => {
      const id = conversationId();
      if (id !== undefined) use(id);
    };
    return bindTyping(input, {
      start: withId((id) => this.startTyping(id)),
      stop: withId((id) => this.endTyping(id)),
    });
  }

  #newLine(login: Login): Line {
    const { url, token, sessionId, transports, io, random } = login;
    const origin = originOf(url);
    const meter = this.#meter;
    const options = { origin, token, sessionId, transports, io, random, meter };
    const connection = new Connection(options);
    const outbox = new Outbox(placeOf(login, origin));
    const restToken = login.restToken ?? token;
    const hasRest = login.restFallback && restToken !== undefined;
    const rest = hasRest ? new RestClient({ baseUrl: origin, token: restToken }) : undefined;
    const onChange = () => this.#bus.emit("outbox", outbox.entries);
    const rooms: Rooms = new Rooms(
      connection,
      (message) => sender.settle(message),
      (message) => this.#bus.emit("message_received", message),
    );
    const hasEcho = (id: string) => rooms.has(id);
    const sender = new Sender({ connection, outbox, meter, rest, hasEcho, onChange });
    const line = { login, connection, outbox, rooms, sender, receipts: new Receipts(connection) };
    this.#listen(line);
    return line;
  }

  #listen({ connection, rooms, sender, receipts }: Line): void {
    const forwarded = [
      "connect_error",
      "disconnect",
      "reconnect_attempt",
      "reconnect",
      "reconnect_failed",
      "packet",
    ] as const;
    for (const name of forwarded) {
      connection.on(name, (value) => this.#bus.emit(name, value));
    }
    connection.on("connection", (detail) => {
      if (detail.phase !== "connected") this.#stopTyping();
      this.#bus.emit("connection", detail);
      // Where connecting fails, there may be another way.
      if (detail.phase === "waiting") sender.flush();
    });
    connection.on("ready", ({ recovered }) => {
      rooms.onReady(recovered);
      sender.onReady();
      receipts.flush();
    });
    connection.on("event", ({ name, payload }) => this.#onEvent(name, payload));
  }

  #onEvent(name: string, payload: unknown): void {
    const { rooms } = this.#needLine();
    if (name === "message_received") return rooms.accept(payload as MessageReceived);
    if (name === "authenticated") this.#user = payload as Authenticated;
    this.#bus.emit(name as keyof ChatEvents, payload as never);
    if (name === "resync") rooms.resync();
  }

  #typingIn(conversationId: string): TypingSignal {
    const known = this.#typing.get(conversationId);
    if (known) return known;
    const signal = new TypingSignal((isTyping) => {
      this.#line?.connection.say(isTyping ? "typing_start" : "typing_stop", conversationId);
    });
    this.#typing.set(conversationId, signal);
    return signal;
  }

  #stopTyping(): void {
    for (const signal of this.#typing.values()) signal.reset();
    this.#typing.clear();
  }

  #needLine(): Line {
    if (!this.#line) throw new Error("connect() comes before everything else");
    return this.#line;
  }
}

function isSameLogin(one: Login, other: Login): boolean {
  const keys = ["url", "token", "sessionId"] as const;
  const isSame = keys.every((key) => one[key] === other[key]);
  return isSame && String(one.transports) === String(other.transports);
}

/** A path behind the host would be taken for a Socket.IO namespace, so it is left out. */
function originOf(url: string | undefined): string {
  const here = globalThis.location as Location | undefined;
  const address = url || here?.origin;
  if (!address) throw new Error("connect() needs the server's address outside of a browser");
  return new URL(address, here?.href).origin.replace(/^ws/, "http");
}

/** Where a user's unsent messages are kept: never where another user's client would send them. */
function placeOf(login: Login, origin: string): OutboxPlace {
  const { storage = browserStorage(), storageKey, token, sessionId } = login;
  const credential = token ?? sessionId ?? "";
  if (storageKey !== undefined) return { storage, key: storageKey };
  // What a function will say is not known yet, and so neither is whose messages these are.
  if (typeof credential === "function") return { storage: memoryStorage(), key: "outbox" };
  return { storage, key: `switchboard.outbox.${origin}.${ownerOf(credential)}` };
}

function called(answer: Promise<JoinAck>, callback?: JoinCallback): Promise<JoinAck> {
  if (callback) void answer.then(callback);
  return answer;
}
