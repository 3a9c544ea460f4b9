/**
 * Document 004 with the tools it names: a session of `wscat`, a page that switches over the names of
 * events, and a wall board that watches a customer of Socket.IO talk to an agent on a plain socket.
 * Nothing here knows more than that document says, but for `cursor`.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { test } from "node:test";
import WebSocket from "ws";
import { eventually } from "./server.mjs";
import {
  agent,
  connect,
  post,
  sign,
  SOON_MS,
  startClosedServer,
  startConversation,
} from "./socketio.mjs";

const WSCAT = createRequire(import.meta.url).resolve("wscat/bin/wscat");

/** The token of somebody who may post events. */
const admin = () => sign({ sub: "boss", role: "admin" });

/** Everything that came, and a way to wait for some of it. */
class Heard {
  frames = [];

  take(text) {
    this.frames.push(JSON.parse(text));
  }

  all(type) {
    return this.frames.filter((frame) => frame.type === type);
  }

  /** The first frame of this type that fits, however long ago it came. */
  hears(type, fits = () => true) {
    const isIt = (frame) => frame.type === type && fits(frame.payload ?? frame.data);
    const found = () => this.frames.find(isIt);
    return eventually(found, { withinMs: SOON_MS, what: `${type} among ${this.names()}` });
  }

  names() {
    return this.frames.map(({ type }) => type).join(", ");
  }
}

/** A `wscat` in a process of its own, as somebody would type at it. */
function startWscat(t, ...args) {
  const child = spawn(process.execPath, [WSCAT, ...args], { stdio: ["pipe", "pipe", "pipe"] });
  t.after(() => child.kill());
  const heard = new Heard();
  // Its prompt stands before what comes next.
  const take = (line) => heard.take(line.replace(/^(> )+/, ""));
  createInterface({ input: child.stdout }).on("line", take);
  const errors = [];
  createInterface({ input: child.stderr }).on("line", (line) => errors.push(line));
  const types = (line) => child.stdin.write(`${line}\n`);
  return { heard, errors, types, ended: once(child, "exit") };
}

/** A plain socket that keeps every frame it hears. */
async function open(t, url, headers) {
  const socket = new WebSocket(url, { headers });
  t.after(() => socket.terminate());
  const heard = new Heard();
  socket.on("message", (text) => heard.take(text));
  await once(socket, "open");
  return { socket, heard, send: (frame) => socket.send(JSON.stringify(frame)) };
}

const incoming = (unique_id) => ({
  type: "call.incoming",
  payload: { unique_id, caller_id: "+6281234567890", destination: "1500", queue_name: "support" },
});

// 004: acceptance 361 to 364.
test("wscat comes in with a bearer, pings, subscribes and hears what is posted", async (t) => {
  const server = await startClosedServer(t);
  const dewi = agent();
  const bearer = `Authorization: Bearer ${dewi.token}`;
  const wscat = startWscat(t, "-c", `${server.sockets}/ws`, "-H", bearer);
  const { payload } = await wscat.heard.hears("connected");
  assert.equal(payload.user_id, dewi.userId);
  assert.equal(payload.role, "agent");
  wscat.types('{"type":"ping"}');
  await wscat.heard.hears("pong");
  wscat.types('{"type":"subscribe","payload":{"events":["call.incoming"]}}');
  const subscribed = await wscat.heard.hears("subscribed");
  assert.deepEqual(subscribed.payload.events, ["call.incoming"]);

  const alert = { type: "alert", payload: { title: "not asked for", body: "x" } };
  const events = [alert, incoming("1")];
  const answer = await post(server.origin, "/api/events", { events }, admin());
  assert.equal(answer.accepted, 2);
  const call = await wscat.heard.hears("call.incoming");
  assert.deepEqual(call.payload, incoming("1").payload);
  assert.equal(call.cursor, answer.cursor);
  assert.deepEqual(wscat.heard.all("alert"), []);
  // It comes back with that cursor, and hears what it missed.
  await post(server.origin, "/api/events", incoming("2"), admin());
  const again = `${server.sockets}/ws?events=call.*&after=${call.cursor}`;
  const next = startWscat(t, "-c", again, "-H", bearer);
  await next.heard.hears("call.incoming", ({ unique_id }) => unique_id === "2");
  assert.equal(next.heard.all("call.incoming").length, 1);
});

test("wscat without a token is not let in", async (t) => {
  const server = await startClosedServer(t);
  const wscat = startWscat(t, "-c", `${server.sockets}/ws`);
  await wscat.ended;
  assert.match(wscat.errors.join("\n"), /401/);
  assert.deepEqual(wscat.heard.frames, []);
});

test("a page that switches over the names of events shows each where it belongs", async (t) => {
  const server = await startClosedServer(t);
  const dewi = agent();
  const shown = { states: [], calls: [], messages: [], notices: [], others: [] };
  const socket = new WebSocket(`${server.sockets}/ws?token=${dewi.token}`);
  t.after(() => socket.terminate());
  const wanted = ["agent.state.changed", "call.incoming", "chat.message", "notification"];
  let isSubscribed = false;
  socket.onopen = () => {
    socket.send(JSON.stringify({ type: "subscribe", payload: { events: wanted } }));
  };
  socket.onmessage = ({ data }) => {
    const { type, payload } = JSON.parse(data);
    isSubscribed ||= type === "subscribed";
    if (!isSubscribed) return;
    switch (type) {
      case "agent.state.changed":
        return shown.states.push(payload);
      case "call.incoming":
        return shown.calls.push(payload);
      case "chat.message":
        return shown.messages.push(payload);
      case "notification":
        return shown.notices.push(payload);
      default:
        return shown.others.push(type);
    }
  };
  const heartbeat = setInterval(() => socket.send('{"type":"ping"}'), 50);
  t.after(() => clearInterval(heartbeat));
  await eventually(() => isSubscribed);

  const state = { user_id: "user_9", username: "Agus", state: "break", reason: "Lunch break" };
  const message = { session_id: "s", sender_id: "v", sender_type: "visitor", body: "Hello" };
  const notice = { user_id: dewi.userId, kind: "ticket_assigned", title: "New ticket" };
  const events = [
    { type: "agent.state.changed", payload: state },
    { type: "alert", payload: { title: "not asked for", body: "x" } },
    incoming("1"),
    { type: "chat.message", payload: message },
    { type: "notification", payload: notice },
  ];
  await post(server.origin, "/api/events", { events }, admin());
  await eventually(() => shown.notices.length === 1 && shown.others.includes("pong"));
  // Its own coming may be among them.
  const ofAgus = shown.states.filter(({ user_id }) => user_id === state.user_id);
  assert.deepEqual(ofAgus, [{ ...state, announced: true }]);
  assert.deepEqual(shown.calls, [incoming("1").payload]);
  assert.deepEqual(shown.messages, [{ ...message, sender_type: "customer", announced: true }]);
  assert.equal(shown.notices[0].title, notice.title);
  assert.deepEqual([...new Set(shown.others)].sort(), ["pong", "subscribed"]);
});

test("a wall board sees a customer of Socket.IO and an agent on a plain socket talk", async (t) => {
  const server = await startClosedServer(t);
  const customer = await startConversation(server, { name: "Budi" });
  const { conversation } = customer;
  const wall = await open(t, `${server.sockets}/ws`, { authorization: `Bearer ${admin()}` });
  wall.send({ type: "subscribe", payload: { events: ["chat.*", "conversation.*"] } });
  await wall.heard.hears("subscribed");
  const dewi = agent();
  await post(server.origin, `/api/sessions/${conversation}/assign`, {}, dewi.token);
  // Comes when there is nothing left to take.
  const other = await open(t, `${server.sockets}/ws?token=${agent().token}`);
  const path = `/ws/${conversation}/${dewi.userId}/agent?token=${dewi.token}`;
  const answering = await open(t, server.sockets + path);
  await answering.heard.hears("connection_established");
  const asking = await connect(t, server.origin, customer);
  await asking.joins(conversation);

  asking.socket.emit("typing_start", conversation);
  const typing = await wall.heard.hears("chat.typing");
  assert.equal(typing.payload.user_id, customer.userId);
  assert.equal(typing.cursor, undefined);
  await asking.says(conversation, "Where is my parcel?", { clientId: "m-1" });
  await answering.heard.hears("message", ({ content }) => content === "Where is my parcel?");
  answering.send({ type: "message", data: { content: "It left today", client_id: "m-2" } });
  await asking.hears("message_received", ({ content }) => content === "It left today");

  await wall.heard.hears("chat.message", ({ body }) => body === "It left today");
  const said = wall.heard.all("chat.message").map(({ payload }) => payload);
  assert.deepEqual(
    said.map(({ seq, sender_id, sender_type, body }) => [seq, sender_id, sender_type, body]),
    [
      [1, customer.userId, "customer", "Where is my parcel?"],
      [2, dewi.userId, "agent", "It left today"],
    ],
  );
  const read = { conversationId: conversation, seq: 2 };
  await asking.does("message_read", read);
  await wall.heard.hears("chat.message.status", ({ seq, status }) => seq === 2 && status === "read");
  asking.socket.disconnect();
  await wall.heard.hears("conversation.left", ({ user_id }) => user_id === customer.userId);
  await post(server.origin, `/api/sessions/${conversation}/close`, {}, dewi.token);
  await wall.heard.hears("chat.session.ended", ({ session_id }) => session_id === conversation);
  await other.heard.hears("conversation.closed");
  assert.deepEqual(other.heard.all("chat.message"), [], "it is another agent's");
});
