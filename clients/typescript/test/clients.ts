/** Clients under test, with what they say gathered. */
import type { TestContext } from "node:test";
import { memoryStorage } from "../src/core/storage.ts";
import { AdminWebSocketClient } from "../src/socketio/admin.ts";
import type { ChatClient, ChatOptions } from "../src/socketio/client.ts";
import type { ConnectionState, MessageReceived, SendAck } from "../src/socketio/events.ts";
import { WidgetWebSocketHandler, type WidgetOptions } from "../src/socketio/widget.ts";
import { CONVERSATION, eventually, SESSION_KEY, tokenOf, type Double } from "./double.ts";

/** Everything one client has told its listeners. */
export class Told {
  readonly states: ConnectionState[] = [];
  readonly messages: MessageReceived[] = [];
  readonly events: string[] = [];

  constructor(readonly client: ChatClient) {
    client.onConnectionChange((state) => this.states.push(state));
    client.onMessageReceived((message) => this.messages.push(message));
    for (const name of ["reconnect_attempt", "reconnect", "reconnect_failed"] as const) {
      client.on(name, (count) => this.events.push(`${name} ${count}`));
    }
    client.on("connect_error", (error) => this.events.push(`connect_error ${error.message}`));
    client.on("disconnect", (reason) => this.events.push(`disconnect ${reason}`));
  }

  get texts(): string[] {
    return this.messages.map(({ content }) => content);
  }
}

/** The waits are the shortest that the jitter gives, and nothing is kept in a browser. */
const TEST_OPTIONS = { random: () => 0 };

/** An agent that is connected and in the conversation. */
export async function newAgent(t: TestContext, double: Double, options: ChatOptions = {}) {
  const client = new AdminWebSocketClient();
  t.after(() => client.dispose());
  const told = new Told(client);
  client.connect(tokenOf("agent_1"), double.url, {
    ...TEST_OPTIONS,
    storage: memoryStorage(),
    ...options,
  });
  void client.joinConversation(CONVERSATION);
  await eventually(() => client.isConnected, "the agent to be connected");
  await eventually(() => double.said("join_conversation").length > 0, "the agent to join");
  return { client, told };
}

/** A customer that is connected and in its conversation. */
export async function newCustomer(t: TestContext, double: Double, options: WidgetOptions = {}) {
  const client = new WidgetWebSocketHandler();
  t.after(() => client.dispose());
  const told = new Told(client);
  client.connect(SESSION_KEY, double.url, {
    ...TEST_OPTIONS,
    storage: memoryStorage(),
    ...options,
  });
  await client.joinConversation(CONVERSATION);
  return { client, told };
}

/** The ack of a message, as a promise. */
export function acked(send: (ack: (answer: SendAck) => void) => void): Promise<SendAck> {
  return new Promise(send);
}
