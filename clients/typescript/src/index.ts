/**
 * Everything but the React parts. Each part also has an entry of its own, so that a page pays only
 * for what it uses.
 */
export * from "./session/index.ts";
export * from "./rest.ts";
export * from "./socketio/index.ts";
export * from "./status/index.ts";
export * from "./agents.ts";
export * from "./heartbeat.ts";
export * from "./hub/index.ts";
export * from "./broadcaster/index.ts";
