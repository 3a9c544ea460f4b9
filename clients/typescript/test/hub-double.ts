/**
 * A small stand-in for the server's hub dialect, on a real WebSocket: one log, subscriptions, replay
 * behind a cursor. Its answers can be bent by the test.
 */
import { randomUUID } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { HubClient, type HubEvent, type HubOptions, type OpenSocket } from "../src/hub/index.ts";
import { eventually } from "./double.ts";

interface Frame {
  type: string;
  payload: Record<string, unknown>;
  id: string;
  timestamp: string;
  cursor?: string;
}

/** One connection, with what it said. */
export interface Line {
  path: string;
  query: URLSearchParams;
  protocols: string[];
  /** Patterns; `null` is everything. */
  wants: Set<string> | null;
  said: { type: string; payload?: Record<string, unknown> }[];
  socket: WebSocket;
}

export class HubDouble {
  #http!: Server;
  readonly log: Frame[] = [];
  readonly lines: Line[] = [];
  /** Refuses every handshake so. */
  refuse: { status: number; error: string } | undefined;
  /** Whether a cursor can be honoured. */
  keepsLog = true;
  /** Whether it answers pings, and messages. */
  isDeaf = false;
  /** Bends the answer to a message; `null` says nothing at all. */
  answer: (payload: Record<string, unknown>) => object | null | undefined = () => undefined;
  /** More of `connected`, for a line. */
  welcome: (line: Line) => object = () => ({});
  /** What comes right behind `connected`. */
  first: Frame[] = [];
  port = 0;

  /** Listens on a free port. */
  async start(): Promise<this> {
    this.#http = createServer((_, response) => {
      const { status, error } = this.refuse ?? { status: 400, error: "no upgrade" };
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify({ success: false, message: "Refused", error }));
    });
    this.attach(this.#http);
    await new Promise<void>((resolve) => this.#http.listen(0, "127.0.0.1", resolve));
    this.port = (this.#http.address() as AddressInfo).port;
    return this;
  }

  /** Serves the hub's paths of a server that somebody else has started. */
  attach(http: Server): void {
    const sockets = new WebSocketServer({
      noServer: true,
      handleProtocols: (protocols) => (protocols.has("bearer") ? "bearer" : false),
    });
    http.on("upgrade", (request, socket, head) => {
      const { pathname, searchParams } = new URL(request.url!, "http://localhost");
      if (!pathname.startsWith("/ws")) return;
      if (this.refuse) return void socket.end(`HTTP/1.1 ${this.refuse.status} No\r\n\r\n`);
      sockets.handleUpgrade(request, socket, head, (each) => {
        const events = searchParams.get("events")?.split(",");
        this.#serve({
          path: pathname,
          query: searchParams,
          protocols: request.headers["sec-websocket-protocol"]?.split(/, */) ?? [],
          wants: events ? new Set(events) : null,
          said: [],
          socket: each,
        });
      });
    });
  }

  stop(): void {
    this.cut();
    this.#http.closeAllConnections();
    this.#http.close();
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get newest(): Line {
    return this.lines.at(-1)!;
  }

  /** Every payload of a type that was said, on whatever line. */
  said(type: string): unknown[] {
    const all = this.lines.flatMap((line) => line.said);
    return all.filter((frame) => frame.type === type).map(({ payload }) => payload);
  }

  /** Something happens, and whoever wants it is told. */
  tell(type: string, payload: object = {}, isDurable = true): Frame {
    const frame = this.frame(type, payload);
    if (isDurable) {
      frame.cursor = `c${this.log.length + 1}`;
      this.log.push(frame);
    }
    for (const line of this.lines) if (wants(line, frame)) write(line, frame);
    return frame;
  }

  /** A frame that goes to the newest line alone. */
  say(type: string, payload: object = {}, more: Partial<Frame> = {}): void {
    write(this.newest, { ...this.frame(type, payload), ...more });
  }

  frame(type: string, payload: object): Frame {
    const timestamp = new Date(Date.now()).toISOString();
    return { type, payload: { ...payload }, id: randomUUID(), timestamp };
  }

  /** Breaks every line without a word. */
  cut(): void {
    for (const { socket } of this.lines) socket.terminate();
  }

  #serve(line: Line): void {
    this.lines.push(line);
    line.socket.on("message", (text) => this.#hear(line, JSON.parse(String(text))));
    const after = line.query.get("after");
    const isBack = after !== null && this.keepsLog;
    const cursor = isBack ? after : `c${this.log.length}`;
    const payload = { connection_id: "c1", user_id: "agent_1", role: "agent", cursor };
    write(line, this.frame("connected", { ...payload, ...this.welcome(line) }));
    if (after !== null && !isBack) write(line, this.frame("resync", { reason: "unknown_cursor" }));
    for (const frame of this.first) write(line, frame);
    const missed = isBack ? this.log.slice(Number(after.slice(1))) : [];
    for (const frame of missed) if (wants(line, frame)) write(line, frame);
  }

  #hear(line: Line, frame: Line["said"][0]): void {
    line.said.push(frame);
    const { type, payload = {} } = frame;
    const events = (payload["events"] ?? []) as string[];
    if (this.isDeaf) return;
    if (type === "ping") write(line, this.frame("pong", {}));
    if (type === "subscribe") line.wants = new Set([...(line.wants ?? []), ...events]);
    if (type === "unsubscribe") for (const each of events) line.wants?.delete(each);
    if (type.endsWith("subscribe")) write(line, this.frame(`${type}d`, { events, cursor: "c0" }));
    if (type === "chat.message") this.#onMessage(line, payload);
  }

  #onMessage(line: Line, payload: Record<string, unknown>): void {
    const { client_id } = payload;
    const bent = this.answer(payload);
    if (bent === null) return;
    const answer = bent ?? { success: true, message_id: "m1", seq: 1, timestamp: "now" };
    write(line, this.frame("ack", { client_id, ...answer }));
  }
}

function wants({ wants }: Line, { type }: Frame): boolean {
  const matches = (pattern: string) =>
    pattern === "*" ||
    pattern === type ||
    (pattern.endsWith(".*") && type.startsWith(pattern.slice(0, -1)));
  return wants === null || type === "notification" || [...wants].some(matches);
}

function write({ socket }: Line, frame: Frame): void {
  socket.send(JSON.stringify(frame));
}

/** A double that ends with the test. */
export async function newHub(t: TestContext): Promise<HubDouble> {
  const hub = await new HubDouble().start();
  t.after(() => hub.stop());
  return hub;
}

export const openSocket = ((url, protocols) => new WebSocket(url, protocols)) as OpenSocket;

/** A client that is about to connect, and everything it has told. */
export function newHubClient(t: TestContext, hub: HubDouble, options: HubOptions = {}) {
  const client = new HubClient({
    baseUrl: hub.url,
    token: "t1",
    random: () => 0,
    openSocket,
    ...options,
  });
  t.after(() => client.disconnect());
  const events: HubEvent[] = [];
  client.onAny((event) => events.push(event));
  client.connect();
  return { client, events };
}

/** The same, connected. */
export async function newConnected(t: TestContext, hub: HubDouble, options: HubOptions = {}) {
  const made = newHubClient(t, hub, options);
  await isConnected(made.client);
  return made;
}

export function isConnected(client: HubClient): Promise<boolean> {
  return eventually(() => client.state.phase === "connected", "the connection");
}
