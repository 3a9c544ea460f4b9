/**
 * The widget's conversation: starts one with the first message, keeps it over reloads, asks the bot
 * while it is in charge, and sends over the socket once people are.
 *
 * It draws nothing. Every change makes a new `View`, which is all that a screen needs to know.
 */
import { RestClient, type ApiError } from "@switchboard/client/rest";
import {
  Emitter,
  MESSAGE_BYTES_MAX,
  Outbox,
  OUTBOX_MAX,
  randomUuid,
  type Outgoing,
} from "@switchboard/client/session";
import type { ChatEvents, ConnectionDetail } from "@switchboard/client/socketio";
import { WidgetWebSocketHandler } from "@switchboard/client/widget";
import {
  loadSession,
  outboxPlace,
  saveSession,
  sessionNamed,
  sessionOf,
  type SavedSession,
  type Wish,
} from "./saved.ts";
import {
  emptyChat,
  fold,
  FOLLOWED,
  handedOver,
  withMessages,
  withoutTyping,
  type Chat,
  type ChatEvent,
} from "./state.ts";

/** The first message waits no longer than this for a socket. */
const JOIN_MS_MAX = 2000;

/** The longest time between the first sign that a page is left and its end. */
const LEAVE_MS_MAX = 500;

export interface View {
  session: SavedSession | null;
  chat: Chat;
  connection: ConnectionDetail;
  /** What is on its way, oldest first. */
  unsent: readonly Outgoing[];
  /** The bot is being asked. */
  isAsking: boolean;
  /** Why no conversation could be started; empty when nobody answered. */
  failure: string | null;
}

/** Why a text was not taken. */
export type Refusal = "tooLong" | "outboxFull";

/** What came of a question: the bot has it, there is no bot, or nobody knows. */
type Asked = "taken" | "noBot" | "unknown";

export class WidgetConversation extends Emitter<{ view: View }> {
  #wish: Wish;
  /** Scheme, host and port; absent: where the page comes from. */
  #url: string | undefined;
  #client = new WidgetWebSocketHandler();
  #session: SavedSession | null;
  #chat: Chat;
  /** Not yet handed to the socket: being started, or being asked of the bot. */
  #waiting: Outbox;
  #failure: string | null = null;
  #hasHistory = false;
  #isOpen = false;
  /** One message after the other, so that their order holds. */
  #last: Promise<void> = Promise.resolve();

  constructor(wish: Wish, url?: string) {
    super();
    this.#wish = wish;
    this.#url = url;
    this.#session = loadSession(wish);
    this.#waiting = new Outbox(outboxPlace(wish));
    this.#chat = { ...emptyChat, charge: this.#session?.charge ?? "bot" };
    this.#listen();
  }

  get view(): View {
    // A question that has come back as a message is no longer on its way.
    const told = new Set(this.#chat.messages.map(({ clientId }) => clientId));
    const waiting = this.#waiting.entries.filter(({ clientId }) => !told.has(clientId));
    const isPending = this.#waiting.pending.length > 0;
    return {
      session: this.#session,
      chat: this.#chat,
      connection: this.#client.connection,
      unsent: [...this.#client.outbox, ...waiting],
      isAsking: isPending && this.#session !== null && this.#chat.charge === "bot",
      failure: this.#failure,
    };
  }

  /** Goes on with the conversation that was kept, and with what had not been sent. */
  open(): void {
    this.#isOpen = true;
    void this.#connect();
    // An earlier page may have asked already; the server knows a repeat by its id.
    for (const entry of this.#waiting.pending) this.#queue(entry);
  }

  async #connect(): Promise<void> {
    if (!this.#session) return;
    const { sessionKey, sessionId, token } = this.#session;
    this.#client.connect(sessionKey, this.#url, token === undefined ? {} : { token });
    this.#changed();
    await this.#client.joinConversation(sessionId);
  }

  /** Ends the connection; what is kept stays, and what is not sent stays unsent. */
  close(): void {
    this.#isOpen = false;
    this.#client.disconnect();
  }

  send(content: string): Refusal | null {
    if (new TextEncoder().encode(content).length > MESSAGE_BYTES_MAX) return "tooLong";
    if (this.view.unsent.length >= OUTBOX_MAX) return "outboxFull";
    const clientId = randomUuid();
    this.#waiting.add({ clientId, content, queuedAt: Date.now(), state: "pending" });
    this.#deliverNext(clientId);
    return null;
  }

  /** Sends a refused message again. */
  retry(clientId: string): void {
    if (this.#waiting.update(clientId, { state: "pending" })) this.#deliverNext(clientId);
    else this.#client.retryMessage(clientId);
  }

  /** Gives a refused message up. */
  discard(clientId: string): void {
    this.#waiting.remove(clientId);
    this.#client.discardMessage(clientId);
    this.#failure = null;
    this.#changed();
  }

  typing(): void {
    this.#client.sendTypingStart();
  }

  stopTyping(): void {
    this.#client.sendTypingStop();
  }

  loadOlder(): void {
    const before = this.#chat.messages[0]?.seq;
    if (before !== undefined) void this.#loadPage({ before });
  }

  /** The customer has seen everything up to `seq`. */
  markRead(seq: number): void {
    if (!this.#session || seq <= this.#session.readSeq) return;
    this.#client.markRead(this.#session.sessionId, seq);
    this.#keep({ ...this.#session, readSeq: seq });
    this.#changed();
  }

  /** Connects now instead of at the end of the wait. */
  reconnect(): void {
    this.#client.reconnect();
  }

  /** Forgets this conversation; the next message starts another one. */
  startNew(): void {
    this.#client.disconnect();
    for (const { clientId } of this.#client.outbox) this.#client.discardMessage(clientId);
    this.#keep(null);
    this.#chat = emptyChat;
    for (const { clientId } of this.#waiting.entries) this.#waiting.remove(clientId);
    this.#failure = null;
    this.#hasHistory = false;
    this.#changed();
  }

  /** Ends every indicator, because none has been renewed for a while. */
  forgetTyping(): void {
    this.#fold(withoutTyping);
  }

  #listen(): void {
    const client = this.#client;
    for (const type of FOLLOWED) {
      client.on(type, (data: ChatEvents[typeof type]) => {
        this.#fold((chat) => fold(chat, { type, data } as ChatEvent, this.#selfId));
      });
    }
    client.on("outbox", () => this.#changed());
    client.on("authenticated", ({ userId }) => {
      if (this.#session) this.#keep({ ...this.#session, userId });
    });
    client.on("connection", ({ phase }) => {
      if (phase !== "connected") this.#chat = withoutTyping(this.#chat);
      else if (!this.#hasHistory) void this.#loadPage({});
      this.#changed();
    });
    client.on("resync", () => void this.#loadPage({}));
  }

  get #selfId(): string {
    return this.#session?.userId ?? "";
  }

  #deliverNext(clientId: string): void {
    this.#failure = null;
    this.#changed();
    const entry = this.#waiting.find(clientId);
    if (entry) this.#queue(entry);
  }

  #queue(entry: Outgoing): void {
    this.#last = this.#last
      .then(() => this.#deliver(entry))
      .catch((error: unknown) => this.#fail(entry, error as ApiError));
  }

  async #deliver(entry: Outgoing): Promise<void> {
    const session = this.#session ?? (await this.#start());
    const asked = this.#chat.charge === "bot" ? await this.#ask(session, entry) : "noBot";
    // A page that is left breaks its questions off; the next one asks them again.
    if (!this.#isOpen) return;
    if (asked === "noBot") this.#fold(handedOver);
    // The same id as the question: should the server know it already, nothing is said twice.
    if (asked !== "taken") this.#client.sendMessage(entry.content, undefined, entry.clientId);
    this.#waiting.remove(entry.clientId);
    this.#changed();
  }

  async #start(): Promise<SavedSession> {
    const { tenant, conversation, name } = this.#wish;
    const about = { ...(name && { name }), ...(conversation && { external_id: conversation }) };
    let session: SavedSession;
    try {
      session = sessionOf(await this.#rest().startSession(about, tenant));
    } catch (error) {
      if (!conversation || (error as ApiError).status !== 409) throw error;
      session = sessionNamed(conversation);
    }
    this.#keep(session);
    // Who listens from the beginning sees the bot typing, and hears who takes over.
    await Promise.race([this.#connect(), pause(JOIN_MS_MAX)]);
    return session;
  }

  /** Asks the bot; question and answer come over the socket like any message. */
  async #ask({ sessionId, token }: SavedSession, entry: Outgoing): Promise<Asked> {
    if (token === undefined) return "noBot";
    const { clientId, content: message } = entry;
    try {
      const question = { conversationId: sessionId, message, clientId };
      const { messageId, handoff } = await this.#rest(token).askBot(question);
      if (handoff) this.#fold(handedOver);
      const isTold = this.#chat.messages.some((each) => each.messageId === messageId);
      if (!isTold) await this.#loadPage({});
      return "taken";
    } catch (error) {
      const { status } = error as ApiError;
      if (status === 422) throw error;
      // Browsers break questions off a moment before they say that the page is left.
      if (status === 0) await pause(LEAVE_MS_MAX);
      return status === 404 || status === 405 ? "noBot" : "unknown";
    }
  }

  #fail(entry: Outgoing, { status, message }: ApiError): void {
    if (!this.#isOpen) return;
    this.#waiting.update(entry.clientId, { state: "failed", error: message });
    this.#failure = status === 0 ? "" : message;
    this.#changed();
  }

  async #loadPage(range: { before?: number }): Promise<void> {
    const { sessionId } = this.#session ?? {};
    if (sessionId === undefined) return;
    try {
      const { messages, hasMore } = await this.#client.history(sessionId, range);
      this.#hasHistory = true;
      this.#fold((chat) => ({ ...withMessages(chat, messages, this.#selfId), hasMore }));
    } catch {
      // No line: the next one asks again.
    }
  }

  #fold(change: (chat: Chat) => Chat): void {
    const before = this.#chat.charge;
    this.#chat = change(this.#chat);
    const { charge } = this.#chat;
    if (this.#session && charge !== before) this.#keep({ ...this.#session, charge });
    this.#changed();
  }

  #keep(session: SavedSession | null): void {
    this.#session = session && { ...session, charge: this.#chat.charge };
    saveSession(this.#wish, this.#session);
  }

  #rest(token?: string): RestClient {
    return new RestClient({ baseUrl: this.#url, token });
  }

  #changed(): void {
    this.emit("view", this.view);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
