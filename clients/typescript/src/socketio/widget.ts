/** Document 003's client of the customer's widget: one customer, one conversation at a time. */
import type { TokenSource } from "../core/token.ts";
import type { TypingInput } from "../core/typing.ts";
import { ChatClient, type ChatOptions, type JoinCallback, type Unsubscribe } from "./client.ts";
import type { HistoryPage, JoinAck } from "./events.ts";
import type { HistoryRange } from "./rooms.ts";
import type { SendCallback } from "./sender.ts";

export interface WidgetOptions extends ChatOptions {
  /** The session's token; with it, messages go by REST while connecting fails. */
  token?: TokenSource;
}

export class WidgetWebSocketHandler extends ChatClient {
  #conversationId: string | undefined;

  /** The conversation joined last. */
  get conversationId(): string | undefined {
    return this.#conversationId;
  }

  /**
   * Connects as the customer of a session. `sessionId`: the session key that
   * `POST /api/sessions` gave. `apiUrl`: scheme, host and port of the server.
   */
  connect(sessionId: string, apiUrl?: string, options: WidgetOptions = {}): void {
    const { token, ...others } = options;
    this.open({ restFallback: true, ...others, url: apiUrl, sessionId, restToken: token });
  }

  override joinConversation(id: string, callback?: JoinCallback): Promise<JoinAck> {
    const answer = super.joinConversation(id, callback);
    this.#conversationId = id;
    return answer;
  }

  /**
   * Sends a message now, or as soon as there is a way. `ack` is called once, with the server's
   * final word. Gives the message's client id, `null` when it could not be taken. `clientId` is for
   * a message that may have gone another way before: the server knows it again by that id.
   */
  sendMessage(text: string, ack?: SendCallback, clientId?: string): string | null {
    return this.send(this.#needConversation(), text, ack, clientId);
  }

  /** The customer has pressed a key; told at most every 2 s, and ended 3 s after the last key. */
  sendTypingStart(): void {
    if (this.#conversationId !== undefined) this.startTyping(this.#conversationId);
  }

  sendTypingStop(): void {
    if (this.#conversationId !== undefined) this.endTyping(this.#conversationId);
  }

  /** Ties an input to the indicator: a start once keys pause for 300 ms, a stop on blur. */
  bindTyping(input: TypingInput): Unsubscribe {
    return this.bindTypingTo(input, () => this.#conversationId);
  }

  /** A page of this conversation's past. */
  loadHistory(range?: HistoryRange): Promise<HistoryPage> {
    return this.history(this.#needConversation(), range);
  }

  #needConversation(): string {
    if (this.#conversationId === undefined) {
      throw new Error("joinConversation() comes before messages");
    }
    return this.#conversationId;
  }
}
