/** Who is connected to a session (document 000): asked over REST, or told live. */
export * from "./api.ts";
export * from "./feed.ts";
export * from "./monitor.ts";
export { isWaiting } from "../session/conversation.ts";
export type { ConnectedUser, ConnectionStatus, UserType } from "../session/frames.ts";
