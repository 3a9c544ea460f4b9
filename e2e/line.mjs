/**
 * A customer on a line that can be cut, and what is to be seen when it has come back: everything,
 * or a word about why not.
 */
import assert from "node:assert/strict";
import { startProxy } from "./proxy.mjs";
import { agent, connect, startClosedServer, startConversation, WEBSOCKET } from "./socketio.mjs";

/** A customer on a line that can be cut, and an agent who is there all the time. */
export async function onALine(t, { mode = WEBSOCKET, env, auth } = {}) {
  const server = await startClosedServer(t, env);
  const proxy = await startProxy(t, server);
  const customer = await startConversation(server);
  const { conversation } = customer;
  const asking = await connect(t, proxy.origin, auth?.(customer) ?? customer, mode);
  const dewi = agent();
  const answering = await connect(t, server.origin, dewi);
  await asking.joins(conversation);
  await answering.joins(conversation);
  await asking.settles();
  return { server, proxy, customer, conversation, asking, answering, dewi };
}

/** Says something, and waits until the customer's client knows from where to go on. */
export async function saysBefore({ asking, answering, conversation }, text) {
  await answering.says(conversation, text);
  await asking.hears("message_received", ({ content }) => content === text);
  await asking.hears("cursor", () => asking.heard.at(-1).event === "cursor");
}

/** Waits until the client is back, and forgets nothing it heard since. */
export async function comesBack(peer) {
  await peer.hears("connect");
  return peer.hears("authenticated");
}

/** It came back where it was, with these messages and no other, and hears what follows. */
export async function isRecovered(line, missed) {
  const { asking, answering, conversation } = line;
  await comesBack(asking);
  assert.equal(asking.socket.recovered, true);
  await line.answering.says(conversation, "live again");
  await asking.hears("message_received", ({ content }) => content === "live again");
  assert.deepEqual(asking.texts(), [...missed, "live again"]);
  const ids = asking.all("message_received").map(({ messageId }) => messageId);
  assert.equal(new Set(ids).size, ids.length, "none is doubled");
  assert.deepEqual(asking.all("resync"), []);
  asking.socket.emit("typing_start");
  await answering.hears("typing_indicator", ({ isTyping }) => isTyping);
}

/** It came back with nothing, and was told why. */
export async function isResynced({ asking, answering, conversation }, reason) {
  await comesBack(asking);
  assert.equal(asking.socket.recovered, false);
  assert.equal((await asking.hears("resync")).reason, reason);
  await answering.says(conversation, "into a room it is not in");
  await answering.hears("message_received", ({ content }) => content.startsWith("into"));
  const ack = await asking.asks("typing_start");
  assert.deepEqual([ack.success, ack.code], [false, "invalid"], "it is in no conversation");
  assert.deepEqual(asking.texts(), []);
}
