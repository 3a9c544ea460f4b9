/** Document 003's client of the admin dashboard: agents and admins, by their token. */
import type { TokenSource } from "../core/token.ts";
import type { TypingInput } from "../core/typing.ts";
import { ChatClient, type ChatOptions, type Unsubscribe } from "./client.ts";
import type { SendCallback } from "./sender.ts";

export class AdminWebSocketClient extends ChatClient {
  /**
   * Connects as whom the token says. `url`: scheme, host and port of the server; absent: where the
   * page comes from. Connecting again with another token or address ends the first connection.
   */
  connect(token: TokenSource, url?: string, options: ChatOptions = {}): void {
    this.open({ ...options, token, url });
  }

  /**
   * Sends a message now, or as soon as there is a way. `ack` is called once, with the server's
   * final word. Gives the message's client id, `null` when it could not be taken. `clientId` is for
   * a message that may have gone another way before: the server knows it again by that id.
   */
  sendMessage(
    conversationId: string,
    text: string,
    ack?: SendCallback,
    clientId?: string,
  ): string | null {
    return this.send(conversationId, text, ack, clientId);
  }

  /** The agent has pressed a key; told at most every 2 s, and ended 3 s after the last key. */
  sendTypingStart(conversationId: string): void {
    this.startTyping(conversationId);
  }

  sendTypingStop(conversationId: string): void {
    this.endTyping(conversationId);
  }

  /** Ties an input to the indicator: a start once keys pause for 300 ms, a stop on blur. */
  bindTyping(input: TypingInput, conversationId: string): Unsubscribe {
    return this.bindTypingTo(input, () => conversationId);
  }
}

/** The one client of a page. */
const adminWebSocket = new AdminWebSocketClient();
export default adminWebSocket;
