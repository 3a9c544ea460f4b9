/**
 * A customer and an agent who do not speak the same dialect: one on Socket.IO with an unmodified
 * client, the other on the session dialect with a plain WebSocket. Neither notices.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import WebSocket from "ws";
import { eventually } from "./server.mjs";
import {
  agent,
  connect,
  MODES,
  post,
  SOON_MS,
  startClosedServer,
  startConversation,
} from "./socketio.mjs";

/** Somebody in a conversation, on whichever dialect; what is heard is told in the same words. */
class OnSocketIo {
  static async join(t, server, mode, person, conversation) {
    const peer = await connect(t, server.origin, person, mode);
    await peer.joins(conversation);
    return Object.assign(new OnSocketIo(), { peer, conversation, server, person });
  }

  async says(content, clientId) {
    const { messageId, seq } = await this.peer.says(this.conversation, content, { clientId });
    return { id: messageId, seq };
  }

  types(isTyping) {
    return this.peer.does(isTyping ? "typing_start" : "typing_stop", this.conversation);
  }

  /** 003 has no event for it. */
  closes() {
    const path = `/api/sessions/${this.conversation}/close`;
    return post(this.server.origin, path, {}, this.person.token);
  }

  reads = (seq) => this.peer.does("message_read", { conversationId: this.conversation, seq });
  leaves = () => this.peer.socket.disconnect();

  async hearsMessage(text) {
    const said = await this.peer.hears("message_received", ({ content }) => content === text);
    assert.equal(said.conversationId, this.conversation);
    const { messageId: id, seq, clientId, timestamp, sender } = said;
    const { userId, userName: name, userType: type } = sender;
    return { id, seq, clientId, timestamp, userId, name, type };
  }

  async hearsTyping(is) {
    const told = await this.peer.hears("typing_indicator", ({ isTyping }) => isTyping === is);
    return { userId: told.userId, name: told.userName, type: told.userType };
  }

  async hearsMark(is, of) {
    const isMeant = ({ status, userId }) => status === is && userId === of;
    return (await this.peer.hears("message_status", isMeant)).seq;
  }

  hearsStatus = (of, what) =>
    this.peer.hears(
      "connection_status_update",
      (told) => told.event_user_id === of && told.event_type === what,
    );
  hearsLifecycle = (what) => this.peer.hears(`conversation_${what}`);
}

/** The same on the session dialect. */
class OnSession {
  frames = [];

  static async join(t, server, _mode, person, conversation) {
    const role = person.sessionId ? "customer" : "agent";
    const path = `/ws/${conversation}/${person.userId}/${role}?token=${person.token}`;
    const socket = new WebSocket(server.sockets + path);
    t.after(() => socket.terminate());
    const joined = Object.assign(new OnSession(), { socket, conversation });
    socket.on("message", (text) => joined.frames.push(JSON.parse(text)));
    await once(socket, "open");
    await joined.#hears("connection_status_update");
    return joined;
  }

  async #hears(type, fits = () => true) {
    const find = () => this.frames.find((frame) => frame.type === type && fits(frame.data));
    const { data } = await eventually(find, { withinMs: SOON_MS, what: type });
    return data;
  }

  #send = (type, data) => this.socket.send(JSON.stringify({ type, data }));

  async says(content, client_id) {
    this.#send("message", { content, client_id });
    const { success, id, seq } = await this.#hears("ack", (ack) => ack.client_id === client_id);
    assert.equal(success, true);
    return { id, seq };
  }

  types = (is_typing) => this.#send("typing_indicator", { is_typing });
  reads = (seq) => this.#send("read", { seq });
  closes = () => this.#send("close", {});
  leaves = () => this.socket.close();

  async hearsMessage(text) {
    const said = await this.#hears("message", ({ content }) => content === text);
    assert.equal(said.session_id, this.conversation);
    const { id, seq, client_id: clientId, timestamp, user_id: userId } = said;
    return { id, seq, clientId, timestamp, userId, name: said.user_name, type: said.user_type };
  }

  async hearsTyping(is) {
    const told = await this.#hears("typing_indicator", ({ is_typing }) => is_typing === is);
    return { userId: told.user_id, name: told.user_name, type: told.user_type };
  }

  async hearsMark(is, of) {
    const isMeant = ({ status, user_id }) => status === is && user_id === of;
    return (await this.#hears("message_status", isMeant)).seq;
  }

  hearsStatus = (of, what) =>
    this.#hears(
      "connection_status_update",
      (told) => told.event_user_id === of && told.event_type === what,
    );
  hearsLifecycle = (what) => this.#hears(`conversation_${what}`);
}

/** A customer and an agent in conversation, each on a dialect of its own. */
async function meetAcross(t, [Customers, Agents], mode) {
  const server = await startClosedServer(t);
  const customer = await startConversation(server);
  const dewi = agent();
  const { conversation } = customer;
  const asking = await Customers.join(t, server, mode, customer, conversation);
  const path = `/api/sessions/${conversation}/assign`;
  await post(server.origin, path, {}, dewi.token);
  const answering = await Agents.join(t, server, mode, dewi, conversation);
  const sides = [
    { from: asking, to: answering, userId: customer.userId, name: "Budi", type: "customer" },
    { from: answering, to: asking, userId: dewi.userId, name: "Dewi", type: "agent" },
  ];
  return { server, sides, asking, answering, customer, dewi };
}

const PAIRS = {
  "the customer on Socket.IO, the agent on the session dialect": [OnSocketIo, OnSession],
  "the customer on the session dialect, the agent on Socket.IO": [OnSession, OnSocketIo],
};

for (const mode of MODES.slice(0, 2)) {
  for (const [pair, dialects] of Object.entries(PAIRS)) {
    test(`${mode.name}, ${pair}: messages, typing and receipts`, async (t) => {
      const { sides } = await meetAcross(t, dialects, mode);
      for (const [place, { from, to, userId, name, type }] of sides.entries()) {
        await from.types(true);
        assert.deepEqual(await to.hearsTyping(true), { userId, name, type });
        await from.types(false);
        await to.hearsTyping(false);
        const text = `"${place}" <b>\u{1F600}`;
        const { id, seq } = await from.says(text, `c-${place}`);
        assert.equal(seq, place + 1);
        const heard = await to.hearsMessage(text);
        assert.deepEqual(heard, await from.hearsMessage(text), "both sides hear the same");
        const { timestamp, ...said } = heard;
        assert.deepEqual(said, { id, seq, clientId: `c-${place}`, userId, name, type });
        const other = sides[1 - place].userId;
        assert.equal(await from.hearsMark("delivered", other), seq);
        await to.reads(seq);
        assert.equal(await from.hearsMark("read", other), seq);
      }
    });

    test(`${mode.name}, ${pair}: coming, going and closing`, async (t) => {
      const { sides, asking, answering, customer, dewi } = await meetAcross(t, dialects, mode);
      const came = await asking.hearsStatus(dewi.userId, "user_connected");
      assert.equal(came.connection_status.total_agent, 1);
      assert.equal(came.connection_status.users[dewi.userId].user_type, "agent");
      await answering.closes();
      for (const { to } of sides) {
        assert.equal((await to.hearsLifecycle("closed")).by, dewi.userId);
      }
      await asking.says("one thing more", "c-9");
      for (const { to } of sides) await to.hearsLifecycle("reopened");
      asking.leaves();
      const went = await answering.hearsStatus(customer.userId, "user_disconnected");
      assert.equal(went.disconnect_reason, "client_close");
      assert.equal(went.connection_status.customer_connected, false);
    });
  }
}

test("presence on Socket.IO tells of users on the session dialect", async (t) => {
  const server = await startClosedServer(t);
  const watching = await connect(t, server.origin, agent({ role: "admin" }));
  const { conversation } = await startConversation(server);
  const dewi = agent();
  const answering = await OnSession.join(t, server, MODES[0], dewi, conversation);
  const isHers =
    (wanted) =>
    ({ userId, status }) =>
      userId === dewi.userId && status === wanted;
  await watching.hears("presence_update", isHers("online"));
  answering.leaves();
  await watching.hears("presence_update", isHers("offline"));
});
