/**
 * Unmodified `socket.io-client`s before several nodes and a balancer without a memory: no sticky
 * sessions, on any transport (contract 6; 003: acceptance 252 to 254, 000: acceptance 62).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hasServices, startCluster } from "./cluster.mjs";
import { eventually } from "./server.mjs";
import { agent, connect, MODES, startConversation } from "./socketio.mjs";

const skip = hasServices() ? false : "PostgreSQL and Redis are not there; see make services";
const AWAY_MS = 20_000;

/** The texts a peer heard in a conversation, each message once, in the order they came. */
function said(peer) {
  const known = new Map();
  for (const { messageId, content } of peer.all("message_received")) known.set(messageId, content);
  return [...known.values()];
}

/** A customer and the admin who answers, both through the balancer. */
async function meetThrough(t, cluster, mode) {
  const customer = await startConversation(cluster);
  const asking = await connect(t, cluster.origin, customer, mode);
  const boss = agent({ role: "admin", name: "Boss" });
  const answering = await connect(t, cluster.origin, boss, mode);
  const { conversation } = customer;
  for (const peer of [asking, answering]) await peer.joins(conversation);
  return { asking, answering, conversation };
}

/** As a client does: the same message again, under the same name, until it is acknowledged. */
async function sends(peer, conversationId, content) {
  const message = { conversationId, content, clientId: content };
  const isTaken = async () => (await peer.asks("send_message", message)).success;
  await eventually(isTaken, { withinMs: AWAY_MS, what: `${content} to be taken` });
}

/** Waits until each of these has heard all of it, and checks that it is this and in this order. */
async function heardBy(peers, texts) {
  for (const peer of peers) {
    const hasAll = () => said(peer).length >= texts.length;
    await eventually(hasAll, { withinMs: AWAY_MS, what: "every message" });
    assert.deepEqual(said(peer), texts);
  }
}

for (const mode of MODES) {
  test(`a talk through a balancer without sticky sessions: ${mode.name}`, { skip }, async (t) => {
    const cluster = await startCluster(t, 2);
    const { asking, answering, conversation } = await meetThrough(t, cluster, mode);
    const texts = [];
    for (let number = 0; number < 10; number++) {
      for (const [name, peer] of [["customer", asking], ["boss", answering]]) {
        texts.push(`${number} of the ${name}`);
        await peer.says(conversation, texts.at(-1));
      }
    }
    await heardBy([asking, answering], texts);
    for (const peer of [asking, answering]) assert.equal(peer.all("disconnect").length, 0);
    assert.equal(cluster.balancer.passed.size, 2, "both nodes were asked");
  });

  test(`a node dies under its clients: ${mode.name}`, { skip }, async (t) => {
    const cluster = await startCluster(t, 2);
    const { asking, answering, conversation } = await meetThrough(t, cluster, mode);
    const texts = ["one", "two"];
    for (const text of texts) await answering.says(conversation, text);
    await heardBy([asking, answering], texts);
    await cluster.nodes[0].kill();
    for (let number = 0; number < 10; number++) {
      texts.push(`after ${number}`);
      await sends(answering, conversation, texts.at(-1));
    }
    await heardBy([asking, answering], texts);
  });
}

test("nodes are restarted one after the other, and nobody misses anything", { skip }, async (t) => {
  const cluster = await startCluster(t, 2);
  const { asking, answering, conversation } = await meetThrough(t, cluster, MODES[0]);
  const texts = [];
  const says = async (text) => {
    texts.push(text);
    await sends(answering, conversation, text);
  };
  await says("before");
  for (const [number, node] of cluster.nodes.entries()) {
    await node.stop();
    await says(`while ${number} is away`);
    cluster.balancer.backends[number] = await node.next();
    await says(`when ${number} is back`);
  }
  await heardBy([asking, answering], texts);
});
