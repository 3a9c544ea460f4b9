/** What a hub's client says: messages and their answers, typing, marks; the waits are simulated. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import type { HubError } from "../src/hub/index.ts";
import { Clock } from "./clock.ts";
import { eventually, settle } from "./double.ts";
import { isConnected, newConnected, newHub, newHubClient, type HubDouble } from "./hub-double.ts";

const clock = new Clock();
beforeEach(() => clock.install());
afterEach(() => clock.reset());

const codeOf = (sent: Promise<unknown>) =>
  sent.then(
    () => "sent",
    ({ code }: HubError) => code,
  );

type Said = { session_id: string; body: string; client_id: string };
const messagesOf = (hub: HubDouble) => hub.said("chat.message") as Said[];
const bodiesOf = (hub: HubDouble) => messagesOf(hub).map(({ body }) => body);

/** Lets the line break, and the next one come. */
async function breakLine(hub: HubDouble, client: Parameters<typeof isConnected>[0]) {
  hub.cut();
  await eventually(() => client.state.phase === "waiting", "the break");
  clock.tick(2000);
  await isConnected(client);
}

test("a message is kept when its answer says so", async (t) => {
  const hub = await newHub(t);
  const { client } = await newConnected(t, hub);
  const sent = await client.sendMessage("s1", "Hello");
  const [{ session_id, body, client_id }] = messagesOf(hub) as [Said];
  assert.deepEqual([session_id, body], ["s1", "Hello"]);
  assert.deepEqual(sent, { client_id, message_id: "m1", seq: 1, timestamp: "now" });
});

test("messages go one after the other, and an answer is that of its own message", async (t) => {
  const hub = await newHub(t);
  hub.answer = () => null;
  const { client } = await newConnected(t, hub);
  const settled: string[] = [];
  for (const body of ["one", "two"]) {
    const settle = () => settled.push(body);
    void client.sendMessage("s1", body).then(settle, settle);
  }
  await eventually(() => messagesOf(hub).length === 1, "the first");
  hub.say("ack", { client_id: "somebody else's", success: true });
  hub.say("ack", { success: true });
  await settle();
  assert.deepEqual([bodiesOf(hub), settled], [["one"], []]);
  hub.say("ack", { client_id: messagesOf(hub)[0]!.client_id, success: true });
  await eventually(() => messagesOf(hub).length === 2, "the second");
  assert.deepEqual(settled, ["one"]);
});

test("a message without an answer is sent again on the next line, with the same client id", async (t) => {
  const hub = await newHub(t);
  hub.answer = () => null;
  const { client } = await newConnected(t, hub);
  const sent = [client.sendMessage("s1", "one"), client.sendMessage("s1", "two")];
  await eventually(() => messagesOf(hub).length === 1, "the message");
  hub.answer = () => undefined;
  await breakLine(hub, client);
  await Promise.all(sent);
  const [first, again] = messagesOf(hub);
  assert.deepEqual(again, first);
  assert.deepEqual(bodiesOf(hub), ["one", "one", "two"]);
});

test("what is written before there is a line is sent on it", async (t) => {
  const hub = await newHub(t);
  const { client } = newHubClient(t, hub);
  await Promise.all([client.sendMessage("s1", "one"), client.sendMessage("s1", "two")]);
  assert.deepEqual(bodiesOf(hub), ["one", "two"]);
});

test("what is written in the very moment of the connection is sent once", async (t) => {
  const hub = await newHub(t);
  const { client } = newHubClient(t, hub);
  const sent: Promise<unknown>[] = [];
  client.on("state", ({ phase }) => {
    if (phase === "connected") sent.push(client.sendMessage("s1", "at once"));
  });
  await isConnected(client);
  await Promise.all(sent);
  await settle();
  assert.deepEqual(bodiesOf(hub), ["at once"]);
});

test("a refused message rejects with the server's code, and the next one goes on", async (t) => {
  const hub = await newHub(t);
  hub.answer = ({ body }) =>
    body === "bad" ? { success: false, code: "forbidden", error: "not yours" } : undefined;
  const { client } = await newConnected(t, hub);
  const bad = client.sendMessage("s1", "bad");
  const good = client.sendMessage("s1", "good");
  await assert.rejects(bad, { name: "HubError", code: "forbidden", message: "not yours" });
  assert.equal((await good).message_id, "m1");
});

test("a message that was too fast is sent again when the server said", async (t) => {
  const hub = await newHub(t);
  hub.answer = () => ({ success: false, code: "rate_limited", error: "slowly", retry_after: 3 });
  const { client } = await newConnected(t, hub);
  const sent = client.sendMessage("s1", "fast");
  void client.sendMessage("s1", "next");
  await eventually(() => messagesOf(hub).length === 1, "the first try");
  hub.answer = () => undefined;
  await settle();
  clock.tick(2999);
  await settle();
  assert.equal(messagesOf(hub).length, 1);
  clock.tick(1);
  await sent;
  await eventually(() => messagesOf(hub).length === 3, "the next one");
  assert.deepEqual(bodiesOf(hub), ["fast", "fast", "next"]);
});

test("a message that nobody answers makes the client doubt its line", async (t) => {
  const hub = await newHub(t);
  const { client } = await newConnected(t, hub);
  hub.isDeaf = true;
  const sent = client.sendMessage("s1", "anybody?");
  await eventually(() => messagesOf(hub).length === 1, "the message");
  clock.tick(10_000);
  await eventually(() => hub.said("ping").length === 1, "the ping");
  clock.tick(10_000);
  hub.isDeaf = false;
  await eventually(() => client.state.phase === "waiting", "the line to be given up");
  clock.tick(2000);
  assert.equal((await sent).message_id, "m1");
  assert.equal(hub.lines.length, 2);
});

test("a message waits no longer than it may", async (t) => {
  const hub = await newHub(t);
  const { client } = newHubClient(t, hub, { sendMsMax: 5000 });
  client.disconnect();
  const first = codeOf(client.sendMessage("s1", "one"));
  clock.tick(1000);
  const second = codeOf(client.sendMessage("s1", "two"));
  clock.tick(4000);
  assert.equal(await first, "timeout");
  client.connect();
  assert.equal(await second, "sent");
  assert.deepEqual(bodiesOf(hub), ["two"]);
});

test("a message is not waited for when there will be no line", async (t) => {
  const hub = await newHub(t);
  hub.answer = () => null;
  const { client } = await newConnected(t, hub);
  const left = codeOf(client.sendMessage("s1", "one"));
  client.disconnect();
  assert.equal(await left, "disconnected");
  client.connect();
  await isConnected(client);
  const ended = codeOf(client.sendMessage("s1", "two"));
  hub.newest.socket.close(4010, "you were removed");
  assert.equal(await ended, "kicked");
  await assert.rejects(client.sendMessage("s1", "three"), {
    code: "kicked",
    message: "you were removed",
  });
});

test("too many messages, and too large ones, are refused at once", async (t) => {
  const hub = await newHub(t);
  const { client } = newHubClient(t, hub);
  client.disconnect();
  assert.equal(await codeOf(client.sendMessage("s1", "é".repeat(8193))), "invalid");
  for (let number = 0; number < 200; number += 1) void client.sendMessage("s1", "waits");
  assert.equal(await codeOf(client.sendMessage("s1", "one more")), "outbox_full");
});

test("a promise that nobody awaits ends no process", async (t) => {
  const unhandled: unknown[] = [];
  const listener = (reason: unknown) => unhandled.push(reason);
  process.on("unhandledRejection", listener);
  t.after(() => process.off("unhandledRejection", listener));
  const { client } = newHubClient(t, await newHub(t));
  void client.sendMessage("s1", "ignored");
  client.disconnect();
  await settle();
  assert.deepEqual(unhandled, []);
});

test("typing is told per conversation, every two seconds at most, and ends by itself", async (t) => {
  const hub = await newHub(t);
  const { client } = await newConnected(t, hub);
  for (const id of ["s1", "s1", "s2"]) client.typing(id);
  client.stopTyping("s2");
  clock.tick(3000);
  await eventually(() => hub.said("chat.typing").length >= 5, "the indicators");
  assert.deepEqual(hub.said("chat.typing"), [
    { session_id: "s1", is_typing: true },
    { session_id: "s2", is_typing: true },
    { session_id: "s2", is_typing: false },
    { session_id: "s1", is_typing: true },
    { session_id: "s1", is_typing: false },
  ]);
});

test("marks are told again after a break, until the event says that they arrived", async (t) => {
  const hub = await newHub(t);
  const { client } = await newConnected(t, hub);
  client.markRead(["n1", "n2"]);
  await eventually(() => hub.said("notification.read").length === 1, "the marks");
  hub.tell("notification.read", { user_id: "agent_1", notification_ids: ["n1"] });
  await settle();
  await breakLine(hub, client);
  await eventually(() => hub.said("notification.read").length === 2, "the marks, again");
  assert.deepEqual(hub.said("notification.read"), [
    { notification_ids: ["n1", "n2"] },
    { notification_ids: ["n2"] },
  ]);
});

test("marks that a later pong answers have arrived", async (t) => {
  const hub = await newHub(t);
  const { client } = await newConnected(t, hub);
  client.markRead(["n1"]);
  clock.tick(30_000);
  await eventually(() => hub.said("ping").length === 1, "the ping");
  await settle();
  client.markRead(["n2"]);
  await settle();
  await breakLine(hub, client);
  await eventually(() => hub.said("notification.read").length === 3, "what is not known");
  assert.deepEqual(hub.said("notification.read")[2], { notification_ids: ["n2"] });
});
