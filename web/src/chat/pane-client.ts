/**
 * What a pane needs of a client, whichever dialect it speaks. The words are those of the session
 * dialect; `SessionClient` is such a client, and `socketio-session.ts` makes one of Socket.IO.
 */
import type { HistoryRequest, Outgoing, SessionEvents } from "@switchboard/client/session";

export type PaneEvents = Pick<SessionEvents, "link" | "frame" | "outbox" | "raw">;

export interface PaneClient {
  readonly options: { readonly sessionId: string; readonly userId: string };
  readonly outbox: readonly Outgoing[];
  on<T extends keyof PaneEvents>(type: T, listener: (value: PaneEvents[T]) => void): () => void;
  connect(): void;
  disconnect(): void;
  /** `null`: too many messages wait already. */
  send(content: string): unknown;
  retry(clientId: string): void;
  discard(clientId: string): void;
  typing(): void;
  stopTyping(): void;
  markRead(seq: number): void;
  history(request: HistoryRequest): unknown;
}
