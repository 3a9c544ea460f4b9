/** Producing events (document 004): the broadcaster, and what it is given and answers. */
export * from "./broadcaster.ts";
export * from "./event.ts";
export type { PublisherEvents, PublisherOptions } from "./publisher.ts";
export type { AnnouncedPayloads, EventName, EventPayloads } from "../generated/events.ts";
