/**
 * A pane's client that speaks Socket.IO. It puts what that dialect says into the frames of the
 * session dialect, so that one screen shows both; the wire itself is in the raw frames.
 */
import {
  CloseCode,
  Emitter,
  type HistoryRequest,
  type KeyValueStorage,
  type LifecycleType,
  type LinkState,
  type MessageData,
  type Outgoing,
  type SenderType,
  type ServerFrame,
} from "@switchboard/client/session";
import {
  ChatClient,
  type ChatLogin,
  type ConnectionDetail,
  type MessageReceived,
  type Transport,
} from "@switchboard/client/socketio";
import type { PaneClient, PaneEvents } from "./pane-client.ts";

export interface SocketIoSessionOptions {
  sessionId: string;
  userId: string;
  userType: "customer" | "agent";
  /** Without one, the conversation's id lets a customer in where sessions are open. */
  token?: string | undefined;
  transports: readonly Transport[];
  storage: KeyValueStorage;
  storageKey: string;
}

/** The events whose data is the session dialect's, but for the conversation's name. */
const LIFECYCLE: readonly LifecycleType[] = [
  "conversation_queued",
  "conversation_assigned",
  "conversation_transferred",
  "conversation_handoff",
  "conversation_escalated",
  "conversation_outside_hours",
  "conversation_closed",
  "conversation_reopened",
  "conversation_rated",
  "conversation_offered",
  "conversation_offer_ended",
];

/** Which close code a refusal would have been. */
const REFUSAL_CODES: Record<string, number> = {
  unauthorized: CloseCode.tokenEnded,
  forbidden: CloseCode.forbidden,
  not_found: CloseCode.noSuchSession,
  kicked: CloseCode.kicked,
};

/** The shared client with its verbs in reach. */
class PaneChat extends ChatClient {
  override open(login: ChatLogin): void {
    super.open(login);
  }
  override send(id: string, content: string): string | null {
    return super.send(id, content);
  }
  override startTyping(id: string): void {
    super.startTyping(id);
  }
  override endTyping(id: string): void {
    super.endTyping(id);
  }
}

export class SocketIoSession extends Emitter<PaneEvents> implements PaneClient {
  #options: SocketIoSessionOptions;
  #chat = new PaneChat();
  #hasHistory = false;

  constructor(options: SocketIoSessionOptions) {
    super();
    this.#options = options;
    this.#listen();
  }

  get options(): SocketIoSessionOptions {
    return this.#options;
  }

  get outbox(): readonly Outgoing[] {
    return this.#chat.outbox;
  }

  connect(): void {
    const { sessionId, token, transports, storage, storageKey } = this.#options;
    const who = token ? { token } : { sessionId };
    // The same login goes on with the same client, and so with what is unsent.
    this.#chat.open({ url: undefined, ...who, transports, storage, storageKey });
    void this.#chat.joinConversation(sessionId).then((answer) => {
      if (answer.success || answer.code === "left") return;
      const { code = "refused", error = code } = answer;
      this.emit("frame", { type: "error", data: { code, message: error } });
    });
    this.emit("outbox", this.outbox);
  }

  disconnect(): void {
    this.#chat.disconnect();
  }

  send(content: string): string | null {
    return this.#chat.send(this.#options.sessionId, content);
  }

  retry(clientId: string): void {
    this.#chat.retryMessage(clientId);
  }

  discard(clientId: string): void {
    this.#chat.discardMessage(clientId);
  }

  typing(): void {
    this.#chat.startTyping(this.#options.sessionId);
  }

  stopTyping(): void {
    this.#chat.endTyping(this.#options.sessionId);
  }

  markRead(seq: number): void {
    this.#chat.markRead(this.#options.sessionId, seq);
  }

  async history(request: HistoryRequest): Promise<void> {
    try {
      const page = await this.#chat.history(this.#options.sessionId, request);
      this.#hasHistory = true;
      const messages = page.messages.map((message) => this.#message(message));
      this.emit("frame", { type: "history", data: { messages, has_more: page.hasMore } });
    } catch {
      // No line: the next one asks again. A refusal has come as an `error` event too.
    }
  }

  #listen(): void {
    const chat = this.#chat;
    const session_id = this.#options.sessionId;
    chat.on("connection", (detail) => this.#onConnection(detail));
    chat.on("packet", (record) => this.emit("raw", record));
    chat.on("outbox", (entries) => this.emit("outbox", entries));
    chat.on("authenticated", ({ userId }) => {
      this.#options = { ...this.#options, userId };
    });
    chat.on("message_received", (message) => {
      this.emit("frame", { type: "message", data: this.#message(message) });
    });
    chat.on("typing_indicator", ({ userId, userName, isTyping }) => {
      const who = { user_id: userId, ...(userName && { user_name: userName }) };
      const data = { session_id, ...who, user_type: "agent" as const, is_typing: isTyping };
      this.emit("frame", { type: "typing_indicator", data });
    });
    chat.on("message_status", ({ seq, userId, status, timestamp }) => {
      const data = { session_id, seq, user_id: userId, status, timestamp };
      this.emit("frame", { type: "message_status", data });
    });
    chat.on("connection_status_update", (data) => {
      this.emit("frame", { type: "connection_status_update", data });
    });
    for (const type of LIFECYCLE) {
      chat.on(type, (data) => this.emit("frame", { type, data } as ServerFrame));
    }
    chat.on("notification", (data) => this.emit("frame", { type: "notification", data }));
    chat.on("error", ({ message, code = "error" }) => {
      this.emit("frame", { type: "error", data: { code, message } });
    });
    chat.on("resync", (data) => {
      this.emit("frame", { type: "resync", data });
      void this.history({});
    });
  }

  #onConnection(detail: ConnectionDetail): void {
    this.emit("link", linkOf(detail));
    if (detail.phase === "connected" && !this.#hasHistory) void this.history({});
  }

  #message({ content, sender, timestamp, messageId, seq, clientId }: MessageReceived): MessageData {
    const type = sender.role === "admin" ? "agent" : sender.role;
    return {
      session_id: this.#options.sessionId,
      id: messageId,
      seq,
      user_id: sender.userId,
      user_type: (sender.userType ?? type) as SenderType,
      content,
      timestamp,
      ...(sender.userName && { user_name: sender.userName }),
      ...(clientId && { client_id: clientId }),
    };
  }
}

function linkOf({
  phase,
  attempt,
  slow,
  retryAt = 0,
  reason = "",
  code = "",
}: ConnectionDetail): LinkState {
  switch (phase) {
    case "connecting":
      return { phase, attempt };
    case "waiting":
      return { phase, attempt, retryAt, slow };
    case "ended":
      return { phase, code: REFUSAL_CODES[code] ?? 0, reason };
    default:
      return { phase };
  }
}
