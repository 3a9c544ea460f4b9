/** The producer, against a local double of `POST /api/events`. Waits over 100 ms are simulated. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { EventBroadcaster, PublishError } from "../src/broadcaster/index.ts";
import type { BroadcasterOptions, NewEvent } from "../src/broadcaster/index.ts";
import { newClock } from "./clock.ts";
import { eventually, settle } from "./double.ts";
import { newHttpDouble, type Answered } from "./http-double.ts";

type Posted = NewEvent & { id: string };

/** What the server says of a batch when it takes all of it but these. */
function taken(rejected: object[] = [], cursor = "c7"): Answered {
  return { status: 202, body: { success: true, data: { accepted: 1, rejected, cursor } } };
}

/** A broadcaster beside a server that answers batch after batch with `answers`, then takes all. */
async function newBroadcaster(
  t: TestContext,
  answers: (Answered | ((events: Posted[]) => Answered))[] = [],
  options: Partial<BroadcasterOptions> = {},
) {
  const batches: Posted[][] = [];
  const { url, asked } = await newHttpDouble(t, ({ body }) => {
    const { events } = body as { events: Posted[] };
    batches.push(events);
    const answer = answers.shift() ?? taken();
    return typeof answer === "function" ? answer(events) : answer;
  });
  const broadcaster = new EventBroadcaster({
    baseUrl: `${url}/`,
    apiKey: "sbk_sample",
    random: () => 1,
    ...options,
  });
  t.after(() => broadcaster.close({ withinMs: 0 }));
  return { broadcaster, batches, asked };
}

/** A call whose number is its place among the test's events. */
const call = (broadcaster: EventBroadcaster, number: number) =>
  broadcaster.callEnded(`call-${number}`, number);

const numbersOf = (events: Posted[]) =>
  events.map(({ payload }) => (payload as { duration: number }).duration);

const idsOf = (events: Posted[]) => events.map(({ id }) => id);

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "accepted",
    (error: PublishError) => error.code,
  );

type Row = [string, object, (broadcaster: EventBroadcaster) => Promise<unknown>];

// 004: acceptance 286 to 302
const METHODS: Row[] = [
  [
    "agent.login",
    { user_id: "7", username: "sari", extension: "1001" },
    (b) => b.agentLogin("7", "sari", "1001"),
  ],
  [
    "agent.state.changed",
    { user_id: "7", username: "sari", state: "break", reason: "Lunch break" },
    (b) => b.agentStateChange("7", "sari", "break", "Lunch break"),
  ],
  ["agent.logout", { user_id: "7", username: "sari" }, (b) => b.agentLogout("7", "sari")],
  [
    "call.incoming",
    { unique_id: "u", caller_id: "+62", destination: "1500", queue_name: "support" },
    (b) => b.callIncoming("u", "+62", "1500", "support"),
  ],
  [
    "call.answered",
    { unique_id: "u", agent_id: "7", agent_name: "Sari" },
    (b) => b.callAnswered("u", "7", "Sari"),
  ],
  ["call.ended", { unique_id: "u", duration: 61 }, (b) => b.callEnded("u", 61)],
  [
    "call.transferred",
    { unique_id: "u", new_destination: "1002" },
    (b) => b.callTransferred("u", "1002"),
  ],
  [
    "call.hold",
    { unique_id: "u", agent_id: "7", agent_name: "Sari" },
    (b) => b.callHold("u", "7", "Sari"),
  ],
  ["call.unhold", { unique_id: "u" }, (b) => b.callUnhold("u")],
  [
    "queue.joined",
    { queue_name: "q", unique_id: "u", caller_id: "+62", position: 3 },
    (b) => b.queueJoined("q", "u", "+62", 3),
  ],
  [
    "queue.left",
    { queue_name: "q", unique_id: "u", reason: "abandoned" },
    (b) => b.queueLeft("q", "u", "abandoned"),
  ],
  [
    "queue.member.added",
    { queue_name: "q", user_id: "7", username: "sari", interface: "PJSIP/1001" },
    (b) => b.queueMemberAdded("q", "7", "sari", "PJSIP/1001"),
  ],
  [
    "queue.member.removed",
    { queue_name: "q", user_id: "7" },
    (b) => b.queueMemberRemoved("q", "7"),
  ],
  [
    "queue.member.paused",
    { queue_name: "q", user_id: "7", username: "sari", reason: "Lunch" },
    (b) => b.queueMemberPaused("q", "7", "sari", { fields: { reason: "Lunch" } }),
  ],
  [
    "queue.member.unpaused",
    { queue_name: "q", user_id: "7" },
    (b) => b.queueMemberUnpaused("q", "7"),
  ],
  [
    "queue.stats",
    { queue_name: "q", calls_waiting: 5, available_agents: 3, logged_in_agents: 10 },
    (b) => b.updateQueueStats("q", { calls_waiting: 5, available_agents: 3, logged_in_agents: 10 }),
  ],
  [
    "chat.session.started",
    { session_id: "s", visitor_name: "Budi", visitor_email: "budi@example.com" },
    (b) => b.chatSessionStarted("s", "Budi", "budi@example.com"),
  ],
  [
    "chat.message",
    {
      session_id: "s",
      message_id: "m",
      sender_id: "v1",
      sender_type: "visitor",
      sender_name: "Budi",
      body: "Hi",
    },
    (b) => b.chatMessageSent("s", "m", "v1", "visitor", "Budi", "Hi"),
  ],
  [
    "chat.typing",
    { session_id: "s", sender_type: "agent", sender_name: "Sari", is_typing: true },
    (b) => b.chatTypingIndicator("s", "agent", "Sari", true),
  ],
  ["chat.session.ended", { session_id: "s" }, (b) => b.chatSessionEnded("s")],
  [
    "chat.transferred",
    { session_id: "s", from_agent_id: "7", to_agent_id: "8" },
    (b) => b.chatTransferred("s", "7", "8"),
  ],
  [
    "notification",
    {
      user_id: "7",
      kind: "ticket_assigned",
      title: "New",
      body: "Ticket 17",
      data: { ticket_id: 17 },
    },
    (b) => b.sendNotification("7", "ticket_assigned", "New", "Ticket 17", { ticket_id: 17 }),
  ],
  ["alert", { title: "Maintenance", body: "Soon" }, (b) => b.sendAlert("Maintenance", "Soon")],
];

for (const [type, payload, method] of METHODS) {
  test(`${type} is posted with the field names of the catalogue`, async (t) => {
    const { broadcaster, batches } = await newBroadcaster(t);
    await method(broadcaster);
    const [event] = batches[0]!;
    assert.deepEqual({ type: event?.type, payload: event?.payload }, { type, payload });
  });
}

test("an event goes to the tenant of the key, with an id, and is told where it stands", async (t) => {
  const { broadcaster, asked, batches } = await newBroadcaster(t);
  const accepted = await call(broadcaster, 1);
  const [{ method, url, authorization }] = asked as [(typeof asked)[0]];
  assert.deepEqual([method, url, authorization], ["POST", "/api/events", "Bearer sbk_sample"]);
  assert.match(accepted.id, /^[0-9a-f-]{36}$/);
  assert.deepEqual(accepted, { id: batches[0]![0]!.id, cursor: "c7" });
});

test("an id, a target and more fields of the payload go along", async (t) => {
  const { broadcaster, batches } = await newBroadcaster(t);
  const target = { role: "admin" } as const;
  await broadcaster.sendAlert("A", "B", { id: "mine", target, fields: { kind: "maintenance" } });
  const payload = { title: "A", body: "B", kind: "maintenance" };
  assert.deepEqual(batches, [[{ type: "alert", payload, target, id: "mine" }]]);
});

test("what comes together goes together, a hundred at a time, in order", async (t) => {
  const { broadcaster, batches } = await newBroadcaster(t);
  for (let number = 0; number < 250; number += 1) void call(broadcaster, number);
  assert.equal(broadcaster.waiting, 250);
  await broadcaster.flush();
  assert.deepEqual(
    batches.map((batch) => batch.length),
    [100, 100, 50],
  );
  assert.deepEqual(numbersOf(batches.flat()), [...Array(250).keys()]);
  assert.equal(new Set(idsOf(batches.flat())).size, 250);
});

test("one batch is under way at a time", async (t) => {
  let underWay = 0;
  let most = 0;
  const { url } = await newHttpDouble(t, async () => {
    most = Math.max(most, (underWay += 1));
    await settle();
    underWay -= 1;
    return taken();
  });
  const broadcaster = new EventBroadcaster({ baseUrl: url, apiKey: "k", batchMax: 2 });
  for (let number = 0; number < 6; number += 1) void call(broadcaster, number);
  await broadcaster.flush();
  assert.equal(most, 1);
});

test("large events share a request only as far as the server's limit goes", async (t) => {
  const { broadcaster, batches } = await newBroadcaster(t);
  for (let number = 0; number < 3; number += 1) {
    void broadcaster.sendAlert("Large", "x".repeat(200_000));
  }
  await broadcaster.flush();
  assert.deepEqual(
    batches.map((batch) => batch.length),
    [2, 1],
  );
});

test("a batch that is too large all the same is halved, and one event of that kind rejected", async (t) => {
  const limit = (events: Posted[]): Answered =>
    numbersOf(events).includes(2) ? { status: 413, body: { code: "too_large" } } : taken();
  const { broadcaster, batches } = await newBroadcaster(t, Array(9).fill(limit));
  const codes = [0, 1, 2, 3].map((number) => codeOf(call(broadcaster, number)));
  assert.deepEqual(await Promise.all(codes), ["accepted", "accepted", "too_large", "accepted"]);
  assert.deepEqual(batches.map(numbersOf), [[0, 1, 2, 3], [0, 1], [2, 3], [2], [3]]);
});

test("a server that takes fewer events at once is given fewer", async (t) => {
  const limit = (events: Posted[]): Answered =>
    events.length > 2 ? { status: 422, body: { code: "invalid" } } : taken();
  const { broadcaster, batches } = await newBroadcaster(t, Array(9).fill(limit));
  const codes = [0, 1, 2, 3, 4].map((number) => codeOf(call(broadcaster, number)));
  assert.deepEqual(await Promise.all(codes), Array(5).fill("accepted"));
  assert.deepEqual(numbersOf(batches.filter((batch) => batch.length <= 2).flat()), [0, 1, 2, 3, 4]);
});

test("a batch whose answer was cut is sent again with the same ids", async (t) => {
  const clock = newClock(t);
  const { broadcaster, batches } = await newBroadcaster(t, [{ status: 202, isCut: true }]);
  const answers = [1, 2].map((number) => codeOf(call(broadcaster, number)));
  const retries: number[] = [];
  broadcaster.on("retry", ({ retryAt }) => retries.push(retryAt - Date.now()));
  await eventually(() => retries.length === 1, "the failure");
  assert.deepEqual(retries, [500]);
  void call(broadcaster, 3);
  await settle();
  assert.equal(batches.length, 1, "what comes later does not overtake");
  clock.tick(500);
  assert.deepEqual(await Promise.all(answers), ["accepted", "accepted"]);
  assert.deepEqual(idsOf(batches[1]!).slice(0, 2), idsOf(batches[0]!));
  assert.deepEqual(numbersOf(batches[1]!), [1, 2, 3]);
});

for (const status of [502, 503, 504]) {
  test(`status ${status} passes: the waits double, and start small again after a success`, async (t) => {
    const clock = newClock(t);
    const down = { status, body: {} };
    const { broadcaster } = await newBroadcaster(t, [down, down, down, taken(), down]);
    const waits: number[] = [];
    broadcaster.on("retry", ({ retryAt }) => {
      waits.push(retryAt - Date.now());
      clock.tick(waits.at(-1)!);
    });
    await call(broadcaster, 1);
    await call(broadcaster, 2);
    assert.deepEqual(waits, [500, 1000, 2000, 500]);
  });
}

test("a server that is not there is tried until it is", async (t) => {
  const clock = newClock(t);
  const { url } = await newHttpDouble(t, () => taken());
  const nobody = "http://127.0.0.1:1";
  let origin = nobody;
  const apiKey = () => "k";
  const broadcaster = new EventBroadcaster({ baseUrl: nobody, apiKey });
  const real = globalThis.fetch;
  globalThis.fetch = (input, init) => real(String(input).replace(nobody, origin), init);
  t.after(() => (globalThis.fetch = real));
  broadcaster.on("retry", ({ attempt, retryAt }) => {
    if (attempt === 2) origin = url;
    clock.tick(retryAt - Date.now());
  });
  assert.equal(await codeOf(call(broadcaster, 1)), "accepted");
});

test("a limit is obeyed for as long as it says", async (t) => {
  const clock = newClock(t);
  const refusal = { status: 429, headers: { "retry-after": "20" }, body: { code: "rate_limited" } };
  const { broadcaster, batches } = await newBroadcaster(t, [refusal]);
  const answer = codeOf(call(broadcaster, 1));
  const waits: number[] = [];
  broadcaster.on("retry", ({ retryAt }) => waits.push(retryAt - Date.now()));
  await eventually(() => waits.length === 1, "the refusal");
  assert.deepEqual(waits, [20_000]);
  clock.tick(19_999);
  await settle();
  assert.equal(batches.length, 1);
  clock.tick(1);
  assert.equal(await answer, "accepted");
});

test("an event that the server does not take is rejected by name, its neighbours are not", async (t) => {
  const refusal = { index: 1, code: "invalid", message: "payload.duration: is negative" };
  const { broadcaster } = await newBroadcaster(t, [taken([refusal])]);
  const heard: PublishError[] = [];
  broadcaster.on("rejected", (error) => heard.push(error));
  const answers = [0, -1, 2].map((number) => call(broadcaster, number));
  await assert.rejects(answers[1]!, (error: PublishError) => {
    assert.ok(error instanceof PublishError);
    assert.deepEqual([error.code, error.message], ["invalid", refusal.message]);
    assert.equal(error.event.type, "call.ended");
    return true;
  });
  assert.deepEqual(await Promise.all([answers[0], answers[2]].map((each) => codeOf(each!))), [
    "accepted",
    "accepted",
  ]);
  assert.deepEqual(
    heard.map(({ code }) => code),
    ["invalid"],
  );
});

test("when all are rejected, each is by its own name", async (t) => {
  const rejected = [
    { index: 0, code: "unknown_event", message: "no such event" },
    { index: 1, code: "invalid", message: "no" },
  ];
  const { broadcaster } = await newBroadcaster(t, [{ ...taken(rejected), status: 422 }]);
  const codes = [0, 1].map((number) => codeOf(call(broadcaster, number)));
  assert.deepEqual(await Promise.all(codes), ["unknown_event", "invalid"]);
});

test("a key that does not hold rejects what was posted with it", async (t) => {
  const refusal = { status: 401, body: { message: "Unauthorized", code: "unauthorized" } };
  const { broadcaster } = await newBroadcaster(t, [refusal]);
  assert.equal(await codeOf(call(broadcaster, 1)), "unauthorized");
  assert.equal(await codeOf(call(broadcaster, 2)), "accepted");
});

test("a key that cannot be had is asked for again", async (t) => {
  const clock = newClock(t);
  const keys = [Promise.reject(new Error("the vault is closed")), Promise.resolve("new")];
  keys[0]!.catch(() => {});
  const { broadcaster, asked } = await newBroadcaster(t, [], { apiKey: () => keys.shift()! });
  broadcaster.on("retry", ({ retryAt }) => clock.tick(retryAt - Date.now()));
  assert.equal(await codeOf(call(broadcaster, 1)), "accepted");
  assert.equal(asked[0]?.authorization, "Bearer new");
});

test("a promise that nobody awaits ends no process", async (t) => {
  const unhandled: unknown[] = [];
  const listener = (reason: unknown) => unhandled.push(reason);
  process.on("unhandledRejection", listener);
  t.after(() => process.off("unhandledRejection", listener));
  const { broadcaster } = await newBroadcaster(t, [{ status: 400, body: { code: "malformed" } }]);
  const heard: string[] = [];
  broadcaster.on("rejected", ({ code }) => heard.push(code));
  void call(broadcaster, 1);
  await eventually(() => heard.length === 1, "the rejection");
  await settle();
  assert.deepEqual([heard, unhandled], [["malformed"], []]);
});

test("a full queue rejects at once, by name", async (t) => {
  const { broadcaster, batches } = await newBroadcaster(t, [], { queueMax: 2 });
  const codes = [0, 1, 2].map((number) => codeOf(call(broadcaster, number)));
  assert.deepEqual(await Promise.all(codes), ["accepted", "accepted", "queue_full"]);
  assert.deepEqual(batches.map(numbersOf), [[0, 1]]);
  assert.equal(await codeOf(call(broadcaster, 3)), "accepted", "there is room again");
});

test("a payload that cannot be JSON is rejected alone", async (t) => {
  const { broadcaster } = await newBroadcaster(t);
  const circle: Record<string, unknown> = {};
  circle["self"] = circle;
  const bad = codeOf(broadcaster.sendNotification("7", "k", "t", "b", circle));
  assert.deepEqual(await Promise.all([bad, codeOf(call(broadcaster, 1))]), [
    "not_json",
    "accepted",
  ]);
});

test("an event is what it was when it was given", async (t) => {
  const { broadcaster, batches } = await newBroadcaster(t);
  const data = { ticket_id: 17 };
  const answer = broadcaster.sendNotification("7", "k", "t", "b", data);
  data.ticket_id = 18;
  await answer;
  assert.deepEqual((batches[0]![0]!.payload as { data: object }).data, { ticket_id: 17 });
});

test("it gives an event up when its time is over, and says why", async (t) => {
  const clock = newClock(t);
  const down = { status: 503, body: { message: "Temporarily unavailable" } };
  const { broadcaster, batches } = await newBroadcaster(t, [down, down, down], {
    giveUpAfterMs: 2000,
  });
  const first = call(broadcaster, 1);
  const retries: number[] = [];
  broadcaster.on("retry", ({ attempt }) => retries.push(attempt));
  await eventually(() => retries.length === 1, "the first failure");
  clock.tick(500);
  await eventually(() => retries.length === 2, "the second failure");
  const second = codeOf(call(broadcaster, 2));
  clock.tick(1000);
  await assert.rejects(first, { code: "gave_up", message: "gave up: Temporarily unavailable" });
  await eventually(() => retries.length === 3, "the third failure");
  assert.equal(await second, "gave_up", "the next try would come too late for it");
  assert.equal(broadcaster.waiting, 0);
  assert.equal(batches.length, 3);
  const third = codeOf(call(broadcaster, 3));
  await settle();
  assert.equal(batches.length, 3, "the server is left alone until the next try is due");
  clock.tick(2000);
  assert.equal(await third, "accepted");
});

test("a closed broadcaster has sent what it had, and takes no more", async (t) => {
  const { broadcaster, batches } = await newBroadcaster(t);
  const last = codeOf(call(broadcaster, 1));
  await broadcaster.close();
  assert.deepEqual(batches.map(numbersOf), [[1]]);
  assert.deepEqual([await last, await codeOf(call(broadcaster, 2))], ["accepted", "closed"]);
});

test("a close that gets no answer ends in time, and names what was not answered", async (t) => {
  const clock = newClock(t);
  let isGone = false;
  const { url } = await newHttpDouble(t, async (_, gone) => {
    await gone;
    isGone = true;
    return {};
  });
  const broadcaster = new EventBroadcaster({ baseUrl: url, apiKey: "k" });
  const answer = codeOf(call(broadcaster, 1));
  const closed = broadcaster.close({ withinMs: 3000 });
  await settle();
  clock.tick(3000);
  await closed;
  assert.equal(await answer, "closed");
  await eventually(() => isGone, "the request to be given up");
});

test("a close does not sit out a wait that nobody asked for", async (t) => {
  newClock(t);
  const { broadcaster } = await newBroadcaster(t, [{ status: 503, body: {} }]);
  const answer = codeOf(call(broadcaster, 1));
  const retries: unknown[] = [];
  broadcaster.on("retry", (retry) => retries.push(retry));
  await eventually(() => retries.length === 1, "the failure");
  let isClosed = false;
  void broadcaster.close().then(() => (isClosed = true));
  await eventually(() => isClosed, "the close");
  assert.equal(await answer, "accepted");
});
