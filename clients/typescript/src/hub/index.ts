/** The hub dialect (document 004): the client, its frames, and the types of all events. */
export * from "./client.ts";
export type { HubOptions, Visitor } from "./entrance.ts";
export type {
  AckPayload,
  ConnectedPayload,
  ErrorPayload,
  EventPattern,
  HubEvent,
  HubNotices,
  Matching,
  ResyncPayload,
  SubscribedPayload,
} from "./frames.ts";
export { HubError, type Sent } from "./messages.ts";
export { CloseCode, type EndName } from "../core/close.ts";
export type { OpenSocket, SocketLike } from "../core/link.ts";
export type { AnnouncedPayloads, EventName, EventPayloads } from "../generated/events.ts";
