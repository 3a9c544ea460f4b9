/** The Socket.IO dialect (document 003): the clients of the dashboard and of the widget. */
export { default as adminWebSocket, AdminWebSocketClient } from "./admin.ts";
export { WidgetWebSocketHandler, type WidgetOptions } from "./widget.ts";
export {
  ChatClient,
  type ChatOptions,
  type JoinCallback,
  type Login as ChatLogin,
  type Unsubscribe,
} from "./client.ts";
export type { Transport } from "./connection.ts";
export type { HistoryRange } from "./rooms.ts";
export type { SendCallback } from "./sender.ts";
export * from "./events.ts";
export { bindTyping, type TypingCalls, type TypingInput } from "../core/typing.ts";
export type { TokenSource } from "../core/token.ts";
export {
  MESSAGE_BYTES_MAX,
  OUTBOX_MAX,
  type Outgoing,
  type OutgoingState,
} from "../core/outbox.ts";
export { browserStorage, memoryStorage, type KeyValueStorage } from "../core/storage.ts";
export type { ClientMetrics } from "../core/metrics.ts";
