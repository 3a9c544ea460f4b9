/** The client of the session dialect, against a server that the test plays; time is simulated. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { browserStorage, memoryStorage } from "../src/core/storage.ts";
import { Clock } from "./clock.ts";
import { message, newClient, SESSION } from "./fake-socket.ts";

const clock = new Clock();
beforeEach(() => clock.install());
afterEach(() => clock.reset());

const seconds = (count: number) => clock.tick(count * 1000);
const storedCursor = (cursor: string) => {
  const storage = memoryStorage();
  storage.set(`switchboard.session.${SESSION}.customer_1.cursor`, JSON.stringify(cursor));
  return storage;
};
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

test("the first connection asks for history and names no cursor", () => {
  const { newest } = newClient({ token: "t1" });
  newest().welcome();
  assert.match(newest().url, /^ws:\/\/here\/ws\/[0-9a-f-]{36}\/customer_1\/customer\?token=t1$/);
  assert.deepEqual(newest().sentOf("history"), [{ limit: 50 }]);
});

test("a lost connection resumes after the last durable frame", () => {
  const { newest, sockets } = newClient();
  newest().welcome("c0");
  newest().say("history", { messages: [], has_more: false });
  newest().say("message", message(1));
  newest().say("message_status", { seq: 1, user_id: "agent_1", status: "read", cursor: "c9" });
  newest().say("ack", { success: true, cursor: "c77" });
  newest().end(1006);
  seconds(2);
  assert.equal(sockets.length, 2);
  assert.match(newest().url, /\?after=c9$/);
  newest().welcome("c500");
  newest().end(1006);
  seconds(4);
  assert.match(newest().url, /\?after=c9$/, "what was missed is still missing");
});

test("a message that comes again is told once", () => {
  const { newest, frames } = newClient();
  newest().welcome();
  newest().say("message", message(1));
  newest().say("message", message(1));
  newest().say("history", { messages: [message(1), message(2)], has_more: false });
  newest().say("message", message(2));
  const told = frames.flatMap((frame) => {
    if (frame.type === "message") return [frame.data.seq];
    return frame.type === "history" ? frame.data.messages.map(({ seq }) => seq) : [];
  });
  assert.deepEqual(told, [1, 2]);
});

test("unconfirmed messages are sent again in order, with the same ids", () => {
  const { client, newest } = newClient();
  client.send("early");
  assert.equal(newest().sentOf("message").length, 0, "there is no connection yet");
  newest().welcome();
  client.send("late");
  const first = newest().sentOf("message");
  assert.deepEqual(
    first.map(({ content }) => content),
    ["early", "late"],
  );
  newest().say("ack", { client_id: first[0]!["client_id"], success: true, seq: 1 });
  newest().end(1006);
  seconds(2);
  newest().welcome();
  assert.deepEqual(newest().sentOf("message"), [first[1]]);
});

test("the echo of an own message empties the outbox, with or without its ack", () => {
  const { client, newest } = newClient();
  newest().welcome();
  const entry = client.send("hello")!;
  newest().say("message", message(1, { user_id: "customer_1", client_id: entry.clientId }));
  assert.deepEqual(client.outbox, []);
  newest().say("ack", { client_id: entry.clientId, success: true, seq: 1 });
  assert.deepEqual(client.outbox, []);
});

test("a refused message stays until it is sent again or given up", () => {
  const { client, newest } = newClient();
  newest().welcome();
  const { clientId } = client.send("hello")!;
  newest().say("ack", { client_id: clientId, success: false, code: "invalid", error: "No." });
  assert.equal(client.outbox[0]?.state, "failed");
  assert.equal(client.outbox[0]?.error, "No.");
  client.retry(clientId);
  assert.equal(newest().sentOf("message").length, 2);
  client.discard(clientId);
  assert.deepEqual(client.outbox, []);
});

test("a message that was too fast is sent again when the server said", () => {
  const { client, newest } = newClient();
  newest().welcome();
  const { clientId } = client.send("hello")!;
  newest().say("ack", {
    client_id: clientId,
    success: false,
    code: "rate_limited",
    retry_after: 3,
  });
  assert.equal(client.outbox[0]?.state, "pending");
  seconds(3);
  assert.equal(newest().sentOf("message").length, 2);
});

// 000: acceptance 33, 34
test("five waits that double, then it says so and keeps trying once a minute", () => {
  const { client, newest } = newClient();
  const exhausted: number[] = [];
  client.on("exhausted", (attempts) => exhausted.push(attempts));
  const waits: number[] = [];
  for (let attempt = 1; attempt <= 7; attempt += 1) {
    newest().end(1006);
    assert.equal(client.link.phase, "waiting");
    if (client.link.phase !== "waiting") return;
    waits.push(client.link.retryAt - Date.now());
    assert.equal(client.link.slow, attempt > 5);
    clock.tick(waits.at(-1)!);
  }
  assert.deepEqual(waits, [2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  assert.deepEqual(exhausted, [5]);
});

test("the wait starts small again after a connection that lasted", () => {
  const { client, newest } = newClient();
  newest().end(1006);
  seconds(2);
  newest().end(1006);
  seconds(4);
  newest().welcome();
  seconds(6);
  newest().end(1001);
  assert.equal(client.link.phase === "waiting" && client.link.attempt, 1);
});

for (const code of [1000, 4001, 4003, 4004, 4010]) {
  test(`close code ${code} ends it for good`, () => {
    const { client, newest, sockets } = newClient();
    newest().welcome();
    newest().end(code, "why");
    assert.deepEqual(client.link, { phase: "ended", code, reason: "why" });
    seconds(120);
    assert.equal(sockets.length, 1);
  });
}

for (const code of [1001, 1006, 4008, 4009, 4029, 4030]) {
  test(`close code ${code} is followed by another attempt`, () => {
    const { newest, sockets } = newClient();
    newest().welcome();
    newest().end(code);
    seconds(2);
    assert.equal(sockets.length, 2);
  });
}

test("a refused upgrade is diagnosed, and final when the answer is", async () => {
  const answers = [null, { code: 4003, reason: "not yours" }];
  const { client, newest } = newClient({ diagnose: async () => answers.shift()! });
  newest().end(1006);
  await settle();
  assert.equal(client.link.phase, "waiting");
  seconds(2);
  newest().end(1006);
  await settle();
  assert.deepEqual(client.link, { phase: "ended", code: 4003, reason: "not yours" });
});

test("a disconnected client stays so, keeps what is written, and sends it on return", () => {
  const { client, newest, sockets } = newClient();
  newest().welcome();
  client.disconnect();
  assert.ok(newest().isClosed);
  client.send("meanwhile");
  seconds(120);
  assert.equal(sockets.length, 1);
  client.connect();
  newest().welcome();
  assert.deepEqual(
    newest()
      .sentOf("message")
      .map(({ content }) => content),
    ["meanwhile"],
  );
});

test("typing is told every two seconds at most, and ends after three idle seconds", () => {
  const { client, newest } = newClient();
  newest().welcome();
  const told = () =>
    newest()
      .sentOf("typing_indicator")
      .map(({ is_typing }) => is_typing);
  for (let key = 0; key < 8; key += 1) {
    client.typing();
    clock.tick(250);
  }
  assert.deepEqual(
    told(),
    [true, true],
    "the keys in between are told when the two seconds are up",
  );
  seconds(3);
  assert.deepEqual(told(), [true, true, false]);
  client.typing();
  client.send("done");
  assert.deepEqual(told(), [true, true, false, true, false]);
});

test("receipts are gathered, go forward only, and are repeated on a new connection", () => {
  const { client, newest } = newClient();
  newest().welcome();
  client.markRead(1);
  client.markRead(3);
  client.markRead(2);
  seconds(1);
  assert.deepEqual(newest().sentOf("read"), [{ seq: 3 }]);
  newest().end(1006);
  seconds(2);
  newest().welcome();
  assert.deepEqual(newest().sentOf("read"), [{ seq: 3 }]);
});

test("resync forgets the cursor and reads everything anew", () => {
  const { client, newest, frames } = newClient({ storage: storedCursor("old") });
  assert.match(newest().url, /\?after=old$/);
  newest().welcome("c40");
  newest().say("history", { messages: [message(1)], has_more: false });
  newest().say("resync", { reason: "retention" });
  assert.equal(newest().sentOf("history").length, 2);
  assert.equal(client.cursor, "c40");
  newest().say("history", { messages: [message(1)], has_more: false });
  const last = frames.at(-1);
  assert.equal(last?.type === "history" && last.data.messages.length, 1);
});

test("a silent connection is probed, and replaced when nothing answers", () => {
  const { newest, sockets } = newClient();
  newest().welcome();
  seconds(180);
  assert.equal(newest().sentOf("ping").length, 1);
  newest().say("pong", {});
  seconds(180);
  assert.equal(newest().sentOf("ping").length, 2);
  seconds(10);
  assert.ok(sockets[0]!.isClosed);
  seconds(2);
  assert.equal(sockets.length, 2);
});

test("a message without an ack makes the client doubt its connection", () => {
  const { client, newest, sockets } = newClient();
  newest().welcome();
  client.send("anybody?");
  seconds(10);
  assert.equal(newest().sentOf("ping").length, 1);
  seconds(10);
  seconds(2);
  assert.equal(sockets.length, 2);
});

test("a new page goes on where the old one stopped, and sends what it had not", () => {
  const storage = memoryStorage();
  const before = newClient({ storage });
  before.newest().welcome();
  before.newest().say("message", message(4));
  before.client.send("unsent");
  const after = newClient({ storage });
  assert.match(after.newest().url, /\?after=c4$/);
  after.newest().welcome();
  assert.deepEqual(after.newest().sentOf("message"), before.newest().sentOf("message"));
  const other = newClient({ storage, userId: "customer_2" });
  assert.deepEqual(other.client.outbox, [], "another user's messages stay where they are");
});

test("two pages of one user do not overwrite each other's unsent messages", () => {
  const storage = memoryStorage();
  const pages = [newClient({ storage }), newClient({ storage })];
  for (const [place, { client }] of pages.entries()) client.send(`from page ${place}`);
  const kept = newClient({ storage }).client.outbox.map(({ content }) => content);
  assert.deepEqual(kept, ["from page 0", "from page 1"]);
});

test("without a place to keep it, what is unsent is said not to survive", () => {
  const { client } = newClient({ storage: browserStorage() });
  client.send("only here");
  assert.equal(client.isOutboxSaved, false);
  assert.equal(client.outbox.length, 1);
});

test("storage that somebody else wrote to is read as empty", () => {
  for (const stored of ["{", "7", '[{"content":1}]', "null"]) {
    const storage = memoryStorage();
    storage.set(`switchboard.session.${SESSION}.customer_1.outbox`, stored);
    assert.deepEqual(newClient({ storage }).client.outbox, [], stored);
  }
});

// 003: acceptance 268
test("uptime, delivery, returns and errors are counted", () => {
  const { client, newest } = newClient();
  newest().welcome();
  const [one, two] = [client.send("one")!, client.send("two")!];
  newest().say("ack", { client_id: one.clientId, success: true, seq: 1 });
  newest().say("ack", { client_id: two.clientId, success: false, code: "invalid" });
  seconds(8);
  newest().end(1006);
  seconds(2);
  newest().welcome();
  const { observedMs, connectedMs, reconnectsPerHour, ...rest } = client.metrics();
  assert.deepEqual([observedMs, connectedMs, reconnectsPerHour], [10_000, 8000, 360]);
  assert.deepEqual(rest, {
    uptime: 0.8,
    sent: 2,
    delivered: 1,
    failed: 1,
    deliveryRate: 0.5,
    reconnects: 1,
    errors: 1,
  });
});

test("text that is no frame is ignored", () => {
  const { client, newest, frames } = newClient();
  newest().welcome();
  for (const data of ["", "[", "null", "7", '{"data":{}}']) newest().onmessage?.({ data });
  newest().onmessage?.({ data: new ArrayBuffer(4) });
  assert.equal(client.link.phase, "connected");
  assert.equal(frames.length, 1);
});
