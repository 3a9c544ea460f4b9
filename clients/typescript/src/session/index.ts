/** The session dialect (documents 000 and 002): the client, its frames, and a screen's view. */
export { Emitter } from "../core/emitter.ts";
export * from "./client.ts";
export * from "./conversation.ts";
export * from "./frames.ts";
export type { LinkState, Refusal, SocketLike } from "../core/link.ts";
export {
  MESSAGE_BYTES_MAX,
  Outbox,
  OUTBOX_MAX,
  type Outgoing,
  type OutgoingState,
} from "../core/outbox.ts";
export { browserStorage, memoryStorage, type KeyValueStorage } from "../core/storage.ts";
export type { ClientMetrics } from "../core/metrics.ts";
export { isUuid, randomUuid } from "../core/uuid.ts";
