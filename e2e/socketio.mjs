/**
 * Document 003's clients: `socket.io-client` as its authors publish it, and the people who use it.
 *
 * A `Peer` is one socket that remembers everything it heard, so that a test can ask for an event
 * before or after it came. Nothing here looks behind the library's public interface.
 */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { inspect } from "node:util";
import { io } from "socket.io-client";
import { eventually, startServer } from "./server.mjs";

/** How long anything may take that should happen at once. */
export const SOON_MS = 5000;

/** 003 wants every one of them to work (acceptance 175, 248). */
export const MODES = [
  { name: "WebSocket only", transports: ["websocket"], settlesOn: "websocket" },
  { name: "long-polling only", transports: ["polling"], settlesOn: "polling" },
  {
    name: "long-polling, then upgraded",
    transports: ["polling", "websocket"],
    settlesOn: "websocket",
  },
];
export const [WEBSOCKET, POLLING] = MODES;

const SECRET = "a secret that only these tests know";

/** The sockets of each test. */
const socketsOf = new WeakMap();

/** The sockets of the test `t` end before whatever it starts later does. */
function closeSocketsFirst(t) {
  if (socketsOf.has(t)) return;
  const sockets = [];
  socketsOf.set(t, sockets);
  t.after(() => sockets.forEach((socket) => socket.disconnect()));
}

/** A server as in production: no open sessions, no demo data, tokens signed by the tests. */
export function startClosedServer(t, env = {}) {
  closeSocketsFirst(t);
  return startServer(t, { demo: false, env: { JWT_SECRET: SECRET, ...env } });
}

/** The server of 003's examples, which takes a conversation's name for a session. */
export function startDemoServer(t, env = {}) {
  closeSocketsFirst(t);
  return startServer(t, { env: { JWT_SECRET: SECRET, ...env } });
}

/** A token of these claims that holds for an hour unless they say otherwise. */
export function sign(claims, secret = SECRET) {
  const now = Math.floor(Date.now() / 1000);
  const encode = (part) => Buffer.from(JSON.stringify(part)).toString("base64url");
  const parts = [
    { alg: "HS256", typ: "JWT" },
    { iat: now, exp: now + 3600, ...claims },
  ];
  const signed = parts.map(encode).join(".");
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

/** Somebody who answers customers. */
export function agent(claims = {}) {
  const userId = claims.sub ?? crypto.randomUUID();
  return { userId, token: sign({ sub: userId, role: "agent", name: "Dewi", ...claims }) };
}

/** A customer with a conversation of its own, as `POST /api/sessions` makes them. */
export async function startConversation({ origin }, about = {}, tenant = "default") {
  const path = `/api/sessions?tenant=${tenant}`;
  const started = await post(origin, path, { name: "Budi", ...about });
  const { session_id, user_id, token, session_key } = started;
  return { conversation: session_id, userId: user_id, token, sessionId: session_key };
}

/** The `data` of a successful POST. */
export async function post(origin, path, body, token) {
  const headers = { "content-type": "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  const response = await fetch(origin + path, {
    method: "POST",
    headers,
    body: JSON.stringify(body ?? {}),
  });
  const answer = await response.json();
  assert.ok(response.ok, `${path}: ${inspect(answer)}`);
  return answer.data;
}

/** What a socket of this person shows in its handshake. */
export function authOf({ token, sessionId, after }) {
  return { ...(sessionId ? { sessionId } : { token }), ...(after ? { after } : {}) };
}

/** One socket of an unmodified client, closed when the test `t` ends. The server comes first. */
export class Peer {
  /** Everything that came, in order: `{event, args}`. */
  heard = [];
  #waiting = new Set();

  constructor(t, url, auth, { transports, ...options } = WEBSOCKET) {
    const { name: _, settlesOn, ...plain } = options;
    this.settlesOn = settlesOn;
    this.socket = io(url, {
      auth,
      transports,
      forceNew: true,
      reconnectionDelay: 50,
      reconnectionDelayMax: 500,
      randomizationFactor: 0,
      ...plain,
    });
    this.socket.onAny((event, ...args) => this.#note(event, args));
    for (const event of ["connect", "connect_error", "disconnect"]) {
      this.socket.on(event, (...args) => this.#note(event, args));
    }
    socketsOf.get(t).push(this.socket);
  }

  #note(event, args) {
    this.heard.push({ event, args });
    this.#waiting.forEach((check) => check());
  }

  get transport() {
    return this.socket.io.engine.transport.name;
  }

  /** What came of this name, the first argument of each. */
  all(event, fits = () => true) {
    return this.heard
      .filter((one) => one.event === event && fits(one.args[0]))
      .map(({ args }) => args[0]);
  }

  /** Forgets what came, so that what is heard next is new. */
  forget() {
    this.heard = [];
  }

  /** Waits for an event of this name that fits, however long ago it came; its first argument. */
  hears(event, fits = () => true, withinMs = SOON_MS) {
    return new Promise((resolve, reject) => {
      const check = () => {
        const found = this.heard.find((one) => one.event === event && fits(one.args[0]));
        if (found) settle(() => resolve(found.args[0]));
      };
      const settle = (how) => {
        clearTimeout(timer);
        this.#waiting.delete(check);
        how();
      };
      const giveUp = () => {
        const others = this.heard.map((one) => one.event).join(", ");
        const alike = inspect(this.all(event), { depth: 2 });
        const what = `no ${event} that fits in ${withinMs} ms; heard ${others}; alike: ${alike}`;
        settle(() => reject(new Error(what)));
      };
      const timer = setTimeout(giveUp, withinMs);
      this.#waiting.add(check);
      check();
    });
  }

  /** Waits until it is connected and the server has said as whom. */
  async ready() {
    await this.hears("connect");
    return this.hears("authenticated");
  }

  /**
   * Waits until nothing is left to be upgraded. A client of this library whose WebSocket breaks
   * just while it stops polling for it stops for good, until its ping is overdue.
   */
  settles() {
    const isSettled = () => this.transport === this.settlesOn;
    return eventually(isSettled, { withinMs: SOON_MS, what: this.settlesOn });
  }

  /** Emits, and waits for the acknowledgement. */
  asks(event, ...args) {
    return this.socket.timeout(SOON_MS).emitWithAck(event, ...args);
  }

  /** Emits what must succeed. */
  async does(event, ...args) {
    const ack = await this.asks(event, ...args);
    assert.equal(ack.success, true, `${event}: ${inspect(ack)}`);
    return ack;
  }

  joins(conversation) {
    return this.does("join_conversation", conversation);
  }

  says(conversationId, content, more = {}) {
    return this.does("send_message", { conversationId, content, ...more });
  }

  /** The texts it heard, in order. */
  texts() {
    return this.all("message_received").map(({ content }) => content);
  }
}

/** A connected socket of this person. */
export async function connect(t, url, person, mode = WEBSOCKET) {
  const peer = new Peer(t, url, authOf(person), mode);
  peer.identity = await peer.ready();
  return peer;
}

/** A customer and an agent in one conversation. */
export async function meet(t, server, mode = WEBSOCKET) {
  const [customer, colleague] = [await startConversation(server), agent()];
  const sockets = await Promise.all([
    connect(t, server.origin, customer, mode),
    connect(t, server.origin, colleague, mode),
  ]);
  for (const socket of sockets) await socket.joins(customer.conversation);
  const [asking, answering] = sockets;
  return { conversation: customer.conversation, customer, agent: colleague, asking, answering };
}

/** One test in several modes at once. */
export function testInModes(name, modes, check) {
  test(name, { concurrency: true }, (t) =>
    Promise.all(modes.map((mode) => t.test(mode.name, (one) => check(one, mode)))),
  );
}

/**
 * Each row of the table is a promise and the test that holds the server to it, on every transport
 * beside a server of its own.
 */
export function testOnEveryTransport(promises) {
  for (const [promise, keep] of Object.entries(promises)) {
    testInModes(promise, MODES, async (t, mode) => keep(t, await startClosedServer(t), mode));
  }
}
