/**
 * A small stand-in for the server's Socket.IO dialect, on the official Socket.IO server: enough of
 * it to test clients against, with its answers to be bent by the test.
 */
import { randomUUID } from "node:crypto";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { Server, type Socket } from "socket.io";
import type { MessageReceived, SendAck } from "../src/socketio/events.ts";

export const CONVERSATION = "conv-123";
export const SESSION_KEY = "7d1b2a52-9d4c-4be0-8a69-0a4b9f3d5f11";

type Reply = (answer: object) => void;

interface Say {
  conversationId: string;
  content: string;
  clientId?: string;
}

/** A token as the clients read it: unsigned, naming its user. */
export function tokenOf(sub: string, more: object = {}): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "none" })}.${part({ sub, ...more })}.sample`;
}

export class Double {
  http!: HttpServer;
  io!: Server;
  readonly messages: MessageReceived[] = [];
  /** What clients have said, as `name payload`. */
  readonly heard: [string, unknown][] = [];
  /** The auth of every handshake. */
  readonly auths: Record<string, unknown>[] = [];
  /** Bends the answer to a message; `null` says nothing at all. */
  answer: (say: Say) => SendAck | null | undefined = () => undefined;
  /** Refuses a handshake with this code. */
  refuse: string | undefined;
  /** Whether cursors in a handshake can be honoured. */
  keepsLog = true;
  /** Whether it tells cursors, which a server of document 003 alone does not. */
  hasCursors = true;
  port = 0;

  /** Listens on a free port, or on the one it had before. */
  async start(): Promise<this> {
    this.http = createServer();
    this.io = new Server(this.http, {
      connectionStateRecovery: { maxDisconnectionDuration: 120_000, skipMiddlewares: false },
    });
    this.io.use((socket, next) => next(this.#check(socket)));
    this.io.on("connection", (socket) => this.#serve(socket));
    await new Promise<void>((resolve) => this.http.listen(this.port, "127.0.0.1", resolve));
    this.port = (this.http.address() as AddressInfo).port;
    return this;
  }

  async stop(): Promise<void> {
    this.http.closeAllConnections();
    await this.io.close();
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  said(name: string): unknown[] {
    return this.heard.filter(([each]) => each === name).map(([, payload]) => payload);
  }

  /** Says something to everybody in the conversation. */
  tell(name: string, payload: object, id = CONVERSATION): void {
    this.io.to(id).emit(name, payload);
  }

  /** Takes a message in, whoever sent it, and tells it. */
  store(say: Say, userId: string): SendAck {
    const known = this.messages.find(({ clientId }) => clientId && clientId === say.clientId);
    const message = known ?? this.#message(say, userId);
    if (!known) {
      this.messages.push(message);
      this.tell("message_received", message, say.conversationId);
      if (this.hasCursors) this.io.to(say.conversationId).emit("cursor", this.#cursor);
    }
    const { messageId, seq, timestamp } = message;
    return { success: true, messageId, seq, timestamp };
  }

  /** Breaks every line without a word. */
  cut(): void {
    for (const socket of this.io.sockets.sockets.values()) socket.conn.close();
  }

  get #cursor(): string {
    return `c${this.messages.length}`;
  }

  #message({ conversationId, content, clientId }: Say, userId: string): MessageReceived {
    const role = userId.startsWith("agent") ? "admin" : "customer";
    return {
      conversationId,
      content,
      sender: { userId, role },
      timestamp: new Date().toISOString(),
      messageId: randomUUID(),
      seq: this.messages.length + 1,
      ...(clientId !== undefined && { clientId }),
    };
  }

  #check(socket: Socket): Error | undefined {
    const auth = socket.handshake.auth as Record<string, string>;
    this.auths.push({ ...auth });
    const userId = auth["token"] ? subOf(auth["token"]) : undefined;
    socket.data.userId = userId ?? (auth["sessionId"] === SESSION_KEY ? "customer_1" : undefined);
    const code = this.refuse ?? (socket.data.userId ? undefined : "unauthorized");
    return code ? Object.assign(new Error("no entry"), { data: { code } }) : undefined;
  }

  #serve(socket: Socket): void {
    const userId = String(socket.data.userId);
    const role = userId.startsWith("agent") ? "admin" : "customer";
    const { after } = socket.handshake.auth as { after?: string };
    socket.onAny((name: string, payload: unknown) => this.heard.push([name, payload]));
    socket.emit("authenticated", { userId, userName: userId, role, userType: role });
    if (after && !this.keepsLog) socket.emit("resync", { reason: "retention" });
    if (this.hasCursors) socket.emit("cursor", this.#cursor);
    this.#serveRooms(socket, this.keepsLog ? after : undefined);
    socket.on("send_message", (say: Say, reply?: Reply) => {
      const bent = this.answer(say);
      if (bent !== null) reply?.(bent ?? this.store(say, userId));
    });
    for (const isTyping of [true, false]) {
      socket.on(isTyping ? "typing_start" : "typing_stop", (conversationId: string) => {
        const indicator = { conversationId, userId, userName: userId, role, isTyping };
        socket.to(conversationId).emit("typing_indicator", indicator);
      });
    }
    socket.on("message_read", ({ conversationId, seq }: Record<string, never>, reply?: Reply) => {
      const timestamp = new Date().toISOString();
      const told = { conversationId, seq, userId, status: "read", timestamp };
      this.tell("message_status", told, conversationId);
      reply?.({ success: true });
    });
  }

  #serveRooms(socket: Socket, after: string | undefined): void {
    socket.on("join_conversation", async (id: string, reply?: Reply) => {
      if (id === "forbidden") {
        return reply?.({ success: false, code: "forbidden", error: "not yours" });
      }
      await socket.join(id);
      reply?.({ success: true, conversationId: id });
      socket.emit("joined_conversation", { conversationId: id });
      if (!after) return;
      for (const message of this.messages.slice(Number(after.slice(1)))) {
        if (message.conversationId === id) socket.emit("message_received", message);
      }
    });
    socket.on("leave_conversation", async (id: string, reply?: Reply) => {
      await socket.leave(id);
      reply?.({ success: true, conversationId: id });
    });
    socket.on(
      "history",
      ({ conversationId, after: from = 0, before, limit = 50 }, reply: Reply) => {
        const all = this.messages.filter(
          ({ seq, conversationId: id }) =>
            id === conversationId && seq > from && seq < (before ?? Infinity),
        );
        const messages = from > 0 ? all.slice(0, limit) : all.slice(-limit);
        reply({ success: true, messages, has_more: messages.length < all.length });
      },
    );
  }
}

function subOf(token: string): string | undefined {
  try {
    return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()).sub;
  } catch {
    return undefined;
  }
}

/** A double that ends with the test. */
export async function newDouble(t: TestContext): Promise<Double> {
  const double = await new Double().start();
  t.after(() => double.stop());
  return double;
}

/** Waits until `check` is true or gives something. Works while timers are simulated. */
export async function eventually<T>(
  check: () => T | null | undefined | false,
  what: string,
  withinMs = 5000,
): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const found = check();
    if (found) return found;
    if (performance.now() > deadline) throw new Error(`waited ${withinMs} ms for ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Lets what is on its way over local sockets arrive. */
export async function settle(ms = 40): Promise<void> {
  const until = performance.now() + ms;
  while (performance.now() < until) await new Promise((resolve) => setImmediate(resolve));
}
