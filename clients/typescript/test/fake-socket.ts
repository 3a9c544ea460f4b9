/** A WebSocket whose other end is the test. */
import type { SocketLike } from "../src/core/link.ts";
import type { ServerFrame } from "../src/session/frames.ts";
import { memoryStorage } from "../src/core/storage.ts";
import { SessionClient, type SessionOptions } from "../src/session/client.ts";

export const SESSION = "550e8400-e29b-41d4-a716-446655440000";

type Sent = { type: string; data: Record<string, unknown> };

export class FakeSocket implements SocketLike {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  readonly sent: Sent[] = [];
  isClosed = false;

  constructor(readonly url: string) {}

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Sent);
  }

  close(): void {
    this.isClosed = true;
  }

  /** Says something as the server. */
  say(type: ServerFrame["type"], data: object): void {
    this.onmessage?.({ data: JSON.stringify({ type, data }) });
  }

  /** Lets the client in, as the server does. */
  welcome(cursor = "c0"): void {
    this.onopen?.();
    this.say("connection_established", { session_id: SESSION, cursor, heartbeat_interval: 180 });
  }

  end(code: number, reason = ""): void {
    this.onclose?.({ code, reason });
  }

  sentOf(type: string): Sent["data"][] {
    return this.sent.filter((frame) => frame.type === type).map((frame) => frame.data);
  }
}

/** A client and the sockets it has opened, the newest last. */
export function newClient(options: Partial<SessionOptions> = {}) {
  const sockets: FakeSocket[] = [];
  const client = new SessionClient({
    baseUrl: "ws://here",
    sessionId: SESSION,
    userId: "customer_1",
    userType: "customer",
    random: () => 1,
    storage: memoryStorage(),
    openSocket: (url) => {
      const socket = new FakeSocket(url);
      sockets.push(socket);
      return socket;
    },
    ...options,
  });
  const frames: ServerFrame[] = [];
  client.on("frame", (frame) => frames.push(frame));
  client.connect();
  return { client, sockets, frames, newest: () => sockets.at(-1)! };
}

/** A stored message as the server tells it. */
export function message(seq: number, more: object = {}): object {
  return {
    session_id: SESSION,
    id: `m${seq}`,
    seq,
    user_id: "agent_1",
    user_type: "agent",
    content: `text ${seq}`,
    timestamp: "2025-01-24T10:30:00.000Z",
    cursor: `c${seq}`,
    ...more,
  };
}
