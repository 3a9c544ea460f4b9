/** The hub's client against a double of the server; the sockets are real, the waits simulated. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { HubClient, type HubState } from "../src/hub/index.ts";
import { Clock } from "./clock.ts";
import { eventually, settle } from "./double.ts";
import { isConnected, newConnected, newHub, newHubClient, type HubDouble } from "./hub-double.ts";

const clock = new Clock();
beforeEach(() => clock.install());
afterEach(() => clock.reset());

const phase = (client: HubClient, name: HubState["phase"]) =>
  eventually(() => client.state.phase === name, `the phase ${name}`);

/** Waits for the line to be lost, and lets the wait for the next one be over. */
async function nextAttempt(client: HubClient): Promise<void> {
  await phase(client, "waiting");
  if (client.state.phase === "waiting") clock.tick(client.state.retryAt - Date.now());
}

async function comeBack(client: HubClient): Promise<void> {
  await nextAttempt(client);
  await isConnected(client);
}

const call = (number: number) => ({ unique_id: `call-${number}`, duration: number });

const namesOf = (events: readonly { type: string }[]) => events.map(({ type }) => type);

const saidOf = (hub: HubDouble, type: string) =>
  hub.newest.said.filter((each) => each.type === type);

test("the token goes by subprotocol, and is not in the address", async (t) => {
  const hub = await newHub(t);
  await newConnected(t, hub, { token: "sbk_a.b-c_d" });
  assert.deepEqual(hub.newest.protocols, ["bearer", "sbk_a.b-c_d"]);
  assert.deepEqual([hub.newest.path, [...hub.newest.query]], ["/ws", []]);
});

test("where no subprotocol gets through, the token goes by the address if the page says so", async (t) => {
  const hub = await newHub(t);
  await newConnected(t, hub, { tokenIn: "url" });
  assert.deepEqual(hub.newest.protocols, []);
  assert.deepEqual([...hub.newest.query], [["token", "t1"]]);
});

test("a token that no subprotocol can carry is refused at once", async (t) => {
  const hub = await newHub(t);
  assert.throws(
    () => newHubClient(t, hub, { token: "two words" }),
    /^Error: token: has characters/,
  );
});

test("an event is told by its name, to whoever hears all, and where it is subscribed to", async (t) => {
  const hub = await newHub(t);
  const { client, events } = await newConnected(t, hub);
  const heard: unknown[] = [];
  client.on("call.ended", (payload, event) => heard.push([payload.duration, event.id]));
  client.on("call.hold", () => heard.push("another"));
  const stop = client.subscribe(["call.*", "call.ended"], (event) => heard.push(event.type));
  const { id } = hub.tell("call.ended", call(61));
  await eventually(() => heard.length >= 2, "the event");
  await settle();
  assert.deepEqual(heard, [[61, id], "call.ended"]);
  assert.deepEqual(namesOf(events), ["call.ended"]);
  stop();
  hub.tell("notification", { user_id: "agent_1" });
  await eventually(() => events.length === 2, "what is addressed to it");
  assert.equal(heard.length, 2);
});

test("names are those of the catalogue, and so are payloads", async (t) => {
  const { client } = await newConnected(t, await newHub(t));
  // @ts-expect-error: a name that no event has
  client.on("call.incomming", () => {});
  // @ts-expect-error: a family that there is not
  client.subscribe(["calls.*"]);
  client.subscribe(["queue.member.*", "*"]);
  client.on("call.ended", (payload) => {
    const duration: number = payload.duration;
    // @ts-expect-error: a field that its payload has not
    return [duration, payload.caller_id];
  });
  client.subscribe(["call.hold", "queue.joined"], (event) => {
    const type: "call.hold" | "queue.joined" = event.type;
    return type === "queue.joined" ? event.payload.unique_id : "";
  });
});

test("an event of a name that only a newer server knows is heard all the same", async (t) => {
  const hub = await newHub(t);
  const { events } = await newConnected(t, hub);
  hub.tell("crm.updated", { ticket: 17 });
  await eventually(() => events.length === 1, "the event");
  assert.deepEqual(events[0]?.payload, { ticket: 17 });
});

// 004: acceptance 342
test("after a break it names its cursor, and what was missed comes once", async (t) => {
  const hub = await newHub(t);
  const { client, events } = await newConnected(t, hub);
  hub.tell("call.ended", call(1));
  await eventually(() => events.length === 1, "the first event");
  hub.cut();
  await phase(client, "waiting");
  hub.tell("call.ended", call(2));
  hub.tell("queue.stats", { queue_name: "q" }, false);
  await comeBack(client);
  hub.tell("call.ended", call(3));
  await eventually(() => events.length === 3, "what was missed");
  await settle();
  assert.equal(hub.newest.query.get("after"), "c1");
  const durations = events.map(({ payload }) => (payload as { duration?: number }).duration);
  assert.deepEqual(durations, [1, 2, 3]);
  assert.equal(client.cursor, "c3");
});

test("a connection that broke before anything happened goes on from where it began", async (t) => {
  const hub = await newHub(t);
  hub.tell("call.ended", call(1));
  const { client, events } = await newConnected(t, hub);
  hub.cut();
  await phase(client, "waiting");
  hub.tell("call.ended", call(2));
  await comeBack(client);
  await eventually(() => events.length === 1, "what was missed");
  assert.equal(hub.newest.query.get("after"), "c1");
});

test("an event that is told twice is heard once", async (t) => {
  const hub = await newHub(t);
  const { events } = await newConnected(t, hub);
  const frame = hub.tell("call.ended", call(1));
  hub.tell("call.ended", call(2));
  hub.say(frame.type, frame.payload, frame);
  hub.tell("call.ended", call(3));
  await eventually(() => events.length >= 3, "the events");
  await settle();
  assert.equal(events.length, 3);
});

test("a volatile event moves no cursor, and may come as often as it likes", async (t) => {
  const hub = await newHub(t);
  const { client, events } = await newConnected(t, hub);
  hub.tell("call.ended", call(1));
  hub.tell("queue.stats", { queue_name: "q" }, false);
  hub.tell("queue.stats", { queue_name: "q" }, false);
  await eventually(() => events.length === 3, "the events");
  assert.equal(client.cursor, "c1");
});

test("a notification that waited for its user does not move the cursor back", async (t) => {
  const hub = await newHub(t);
  const waited = hub.tell("notification", { user_id: "agent_1" });
  clock.tick(60_000);
  hub.tell("call.ended", call(1));
  hub.first = [waited];
  const { client, events } = await newConnected(t, hub);
  await eventually(() => events.length === 1, "the notification");
  assert.equal(client.cursor, "c2");
  hub.first = [];
  hub.cut();
  await comeBack(client);
  await settle();
  assert.deepEqual(namesOf(events), ["notification"]);
});

test("a page that knows an earlier cursor begins there", async (t) => {
  const hub = await newHub(t);
  for (const number of [1, 2, 3]) hub.tell("call.ended", call(number));
  const { client, events } = await newConnected(t, hub, { after: "c1" });
  await eventually(() => events.length === 2, "what came after it");
  assert.equal(client.cursor, "c3");
});

test("when what was missed cannot be told, it says so and goes on from the end", async (t) => {
  const hub = await newHub(t);
  const { client, events } = await newConnected(t, hub);
  const reasons: string[] = [];
  client.on("resync", ({ reason }) => reasons.push(reason));
  const frame = hub.tell("call.ended", call(1));
  await eventually(() => events.length === 1, "the first event");
  hub.cut();
  await phase(client, "waiting");
  clock.tick(10);
  hub.tell("call.ended", call(2));
  hub.keepsLog = false;
  hub.first = [frame];
  await comeBack(client);
  await eventually(() => events.length === 2, "what is told anew");
  assert.deepEqual([reasons, client.cursor], [["unknown_cursor"], "c2"]);
});

test("what is subscribed to before there is a line is asked for with it", async (t) => {
  const hub = await newHub(t);
  const { client } = newHubClient(t, hub);
  client.subscribe(["call.*", "alert"]);
  client.disconnect();
  client.connect();
  await isConnected(client);
  assert.equal(hub.newest.query.get("events"), "call.*,alert");
  assert.deepEqual(hub.newest.said, []);
});

// 004: acceptance 304, 305
test("on a line it subscribes and unsubscribes by frames, and a new line asks for the rest", async (t) => {
  const hub = await newHub(t);
  const { client } = await newConnected(t, hub);
  const answers: string[][] = [];
  client.on("subscribed", ({ events }) => answers.push(events));
  client.on("unsubscribed", ({ events }) => answers.push(events));
  const stop = client.subscribe(["call.*", "alert"]);
  client.subscribe(["alert", "queue.joined"]);
  client.unsubscribe(["queue.joined"]);
  stop();
  await eventually(() => answers.length === 4, "the answers");
  assert.deepEqual(answers, [["call.*", "alert"], ["queue.joined"], ["queue.joined"], ["call.*"]]);
  hub.cut();
  await comeBack(client);
  assert.equal(hub.newest.query.get("events"), "alert");
});

test("whoever ends its last subscription hears what is addressed to it, not everything", async (t) => {
  const hub = await newHub(t);
  const { client, events } = await newConnected(t, hub);
  client.subscribe(["alert"])();
  hub.cut();
  await comeBack(client);
  assert.equal(hub.newest.query.get("events"), "connected");
  hub.tell("call.ended", call(1));
  hub.tell("notification", { user_id: "agent_1" });
  await eventually(() => events.length > 0, "the notification");
  assert.deepEqual(namesOf(events), ["notification"]);
});

test("what changes while the line is being opened is told on it", async (t) => {
  const hub = await newHub(t);
  const { client } = newHubClient(t, hub);
  client.subscribe(["alert"])();
  await isConnected(client);
  await eventually(() => hub.said("subscribe").length > 0, "the change");
  assert.deepEqual(hub.said("subscribe"), [{ events: ["connected"] }]);
  client.subscribe(["call.*"]);
  await eventually(() => hub.said("subscribe").length > 1, "the next one");
  assert.deepEqual(hub.newest.said.at(-1), { type: "subscribe", payload: { events: ["call.*"] } });
});

test("a subscription that ends takes nothing from one that overlaps it", async (t) => {
  const hub = await newHub(t);
  const { client } = await newConnected(t, hub);
  const heard: string[] = [];
  client.subscribe(["call.hold"], ({ type }) => heard.push(type));
  client.subscribe(["call.*"])();
  hub.tell("call.ended", call(1));
  hub.tell("call.hold", { unique_id: "u" });
  await eventually(() => heard.length > 0, "the event");
  assert.deepEqual([heard, saidOf(hub, "unsubscribe")], [["call.hold"], []]);
  hub.cut();
  await comeBack(client);
  assert.equal(hub.newest.query.get("events"), "call.hold");
});

test("a name that the server does not know comes back as an error with the nearest one", async (t) => {
  const hub = await newHub(t);
  const { client } = await newConnected(t, hub);
  const nearest: unknown[] = [];
  client.on("error", (error) => nearest.push([error.code, error.nearest]));
  const error = { code: "unknown_event", message: "unknown", nearest: "call.incoming" };
  hub.say("error", error);
  await eventually(() => nearest.length === 1, "the error");
  assert.deepEqual(nearest, [["unknown_event", "call.incoming"]]);
});

// 004: acceptance 306
test("it pings every thirty seconds, and gives up a line on which nobody answers", async (t) => {
  const hub = await newHub(t);
  const { client } = await newConnected(t, hub);
  for (let pings = 1; pings <= 3; pings += 1) {
    clock.tick(30_000);
    await eventually(() => hub.said("ping").length === pings, `ping ${pings}`);
    await settle();
  }
  assert.equal(hub.lines.length, 1);
  hub.isDeaf = true;
  clock.tick(30_000);
  clock.tick(10_000);
  hub.isDeaf = false;
  await comeBack(client);
  assert.equal(hub.lines.length, 2);
});

for (const [code, end] of [
  [4001, "token_ended"],
  [4003, "forbidden"],
  [4010, "kicked"],
] as const) {
  test(`the end ${end} is final`, async (t) => {
    const hub = await newHub(t);
    const { client } = await newConnected(t, hub);
    hub.newest.socket.close(code, "why");
    await phase(client, "ended");
    assert.deepEqual(client.state, { phase: "ended", end, code, reason: "why" });
    clock.tick(600_000);
    await settle();
    assert.equal(hub.lines.length, 1);
  });
}

for (const [code, end] of [
  [1001, "going_away"],
  [4008, "slow_consumer"],
  [4009, "heartbeat_timeout"],
] as const) {
  test(`the end ${end} is followed by a return`, async (t) => {
    const hub = await newHub(t);
    const { client } = await newConnected(t, hub);
    hub.newest.socket.close(code);
    await phase(client, "waiting");
    assert.equal(client.state.phase === "waiting" && client.state.end, end);
    await comeBack(client);
  });
}

test("a token that ended is asked for again, where somebody knows a newer one", async (t) => {
  const hub = await newHub(t);
  const tokens = ["old", "new"];
  const { client } = await newConnected(t, hub, { token: async () => tokens.shift()! });
  hub.newest.socket.close(4001);
  await comeBack(client);
  assert.deepEqual(
    hub.lines.map(({ protocols }) => protocols[1]),
    ["old", "new"],
  );
});

test("a token that cannot be had is asked for again, and said to be missing", async (t) => {
  const hub = await newHub(t);
  let asked = 0;
  const token = async () => {
    if ((asked += 1) === 1) throw new Error("the vault is closed");
    return "t2";
  };
  const { client } = newHubClient(t, hub, { token });
  const errors: string[] = [];
  client.on("error", ({ code, message }) => errors.push(`${code} ${message}`));
  await comeBack(client);
  assert.deepEqual(errors, ["no_token Error: the vault is closed"]);
  assert.deepEqual(hub.newest.protocols, ["bearer", "t2"]);
});

test("a client that is closed while its token is fetched stays so", async (t) => {
  const hub = await newHub(t);
  let give!: (token: string) => void;
  const { client } = newHubClient(t, hub, {
    token: () => new Promise((resolve) => (give = resolve)),
  });
  client.disconnect();
  give("late");
  await settle();
  assert.deepEqual([client.state.phase, hub.lines.length], ["idle", 0]);
});

test("a token is renewed on the line, and for the lines to come", async (t) => {
  const hub = await newHub(t);
  const { client } = await newConnected(t, hub);
  client.authenticate("t2");
  await eventually(() => hub.said("authenticate").length === 1, "the new token");
  assert.deepEqual(hub.said("authenticate"), [{ token: "t2" }]);
  hub.cut();
  await comeBack(client);
  assert.deepEqual(hub.newest.protocols, ["bearer", "t2"]);
});

for (const [status, end] of [
  [401, "token_ended"],
  [403, "forbidden"],
  [404, "no_such_session"],
] as const) {
  test(`a refusal with ${status} before the upgrade is final and says why`, async (t) => {
    const hub = await newHub(t);
    hub.refuse = { status, error: "no entry" };
    const { client } = newHubClient(t, hub);
    await phase(client, "ended");
    assert.deepEqual(client.state.phase === "ended" && [client.state.end, client.state.reason], [
      end,
      "no entry",
    ]);
  });
}

test("a refusal that may pass is followed by another attempt", async (t) => {
  const hub = await newHub(t);
  hub.refuse = { status: 503, error: "draining" };
  const { client } = newHubClient(t, hub);
  await phase(client, "waiting");
  hub.refuse = undefined;
  await comeBack(client);
});

test("five attempts fail, it says so, and goes on", async (t) => {
  const hub = await newHub(t);
  hub.refuse = { status: 503, error: "draining" };
  const { client } = newHubClient(t, hub);
  const exhausted: number[] = [];
  client.on("exhausted", (attempts) => exhausted.push(attempts));
  for (let attempt = 1; attempt <= 5; attempt += 1) await nextAttempt(client);
  await eventually(() => exhausted.length > 0, "it to say so");
  hub.refuse = undefined;
  await comeBack(client);
  assert.deepEqual(exhausted, [5]);
});

test("without a WebSocket it says what is missing", (t) => {
  const { WebSocket } = globalThis;
  Reflect.deleteProperty(globalThis, "WebSocket");
  t.after(() => Object.assign(globalThis, WebSocket && { WebSocket }));
  const client = new HubClient({ baseUrl: "http://127.0.0.1:1" });
  assert.throws(() => client.connect(), /options\.openSocket/);
});

// 004: acceptance 283
test("a visitor without a token begins one conversation, and comes back to it", async (t) => {
  const hub = await newHub(t);
  hub.welcome = ({ protocols }) =>
    protocols.length > 0 ? {} : { session_id: "s1", token: "jwt", session_key: "key" };
  const visitor = { tenant: "acme", name: "Budi", email: "budi@example.com" };
  const { client } = await newConnected(t, hub, { visitor, token: "" });
  assert.equal(hub.newest.path, "/ws/public");
  assert.deepEqual(Object.fromEntries(hub.newest.query), visitor);
  assert.equal(client.connection?.session_id, "s1");
  hub.cut();
  await comeBack(client);
  assert.deepEqual(hub.newest.protocols, ["bearer", "key"]);
  assert.deepEqual(Object.fromEntries(hub.newest.query), { tenant: "acme", after: "c0" });
});

test("text that is no frame is ignored", async (t) => {
  const hub = await newHub(t);
  const { client, events } = await newConnected(t, hub);
  for (const text of ["", "[", "null", "7", "{}", '{"type":7}']) hub.newest.socket.send(text);
  hub.tell("alert", { title: "A", body: "B" });
  await eventually(() => events.length > 0, "the event behind them");
  assert.deepEqual([namesOf(events), client.state.phase], [["alert"], "connected"]);
});
