/** Document 001's heartbeat, against a local HTTP double. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import {
  AgentHeartbeat,
  type AgentStatus,
  type HeartbeatFailure,
  type HeartbeatOptions,
} from "../src/heartbeat.ts";
import { newClock } from "./clock.ts";
import { newDom, setHidden } from "./dom.ts";
import { eventually, settle } from "./double.ts";
import { newHttpDouble, type Answered } from "./http-double.ts";

const AGENT = "550e8400-e29b-41d4-a716-446655440000";

async function newHeartbeat(t: TestContext, options: Partial<HeartbeatOptions> = {}) {
  const answers: Answered[] = [];
  const double = await newHttpDouble(t, ({ body }) => {
    const data = { agent_id: AGENT, status: (body as { status?: string })?.status ?? "offline" };
    const message = "Heartbeat updated successfully";
    return answers.shift() ?? { body: { success: true, message, data } };
  });
  const window = newDom(t);
  const clock = newClock(t);
  const beats: string[] = [];
  const failures: HeartbeatFailure[] = [];
  const heartbeat = new AgentHeartbeat({
    baseUrl: double.url,
    token: "t1",
    onBeat: ({ status }) => beats.push(status),
    onFailure: (failure) => failures.push(failure),
    ...options,
  });
  t.after(() => heartbeat.stop());
  return { ...double, answers, window, clock, beats, failures, heartbeat };
}

// 001: acceptance 110
test("it beats on login and every three minutes, with the agent's own status", async (t) => {
  let chosen: AgentStatus = "online";
  const { asked, clock, beats, heartbeat } = await newHeartbeat(t, { status: () => chosen });
  heartbeat.start();
  heartbeat.start();
  await eventually(() => beats.length === 1, "the first beat");
  chosen = "busy";
  clock.tick(179_999);
  await settle();
  assert.equal(beats.length, 1);
  clock.tick(1);
  await eventually(() => beats.length === 2, "the second beat");
  assert.deepEqual(beats, ["online", "busy"]);
  assert.deepEqual(asked[1], {
    method: "POST",
    url: "/api/agent-status/heartbeat",
    authorization: "Bearer t1",
    body: { status: "busy" },
  });
});

// 001: acceptance 112
test("logout ends the beats and says offline", async (t) => {
  const { asked, clock, heartbeat } = await newHeartbeat(t);
  await heartbeat.stop();
  assert.equal(asked.length, 0, "nobody was logged in");
  heartbeat.start();
  await eventually(() => asked.length === 1, "the first beat");
  await heartbeat.stop();
  assert.equal(asked[1]?.url, "/api/agent-status/offline");
  clock.tick(600_000);
  await settle();
  assert.equal(asked.length, 2);
});

// 001: acceptance 111
test("failures are told, a lost login by name, and the beats go on", async (t) => {
  const { answers, clock, beats, failures, heartbeat } = await newHeartbeat(t);
  answers.push({ status: 401, body: { message: "Unauthorized", error: "the token has ended" } });
  answers.push({ status: 500, body: { message: "redis connection failed" } });
  heartbeat.start();
  await eventually(() => failures.length === 1, "the first failure");
  clock.tick(180_000);
  await eventually(() => failures.length === 2, "the second failure");
  clock.tick(180_000);
  await eventually(() => beats.length === 1, "a beat");
  assert.deepEqual(failures, [
    { status: 401, isUnauthorized: true, message: "the token has ended" },
    { status: 500, isUnauthorized: false, message: "redis connection failed" },
  ]);
});

test("no answer at all is a failure too", async (t) => {
  const { failures, heartbeat } = await newHeartbeat(t, { baseUrl: "http://127.0.0.1:1" });
  heartbeat.start();
  await eventually(() => failures.length === 1, "the failure");
  assert.deepEqual([failures[0]?.status, failures[0]?.isUnauthorized], [0, false]);
});

// 001: acceptance 113
test("a hidden page says away at once and keeps saying it, a visible one is back", async (t) => {
  const { window, clock, beats, heartbeat } = await newHeartbeat(t);
  heartbeat.start();
  await eventually(() => beats.length === 1, "the first beat");
  setHidden(window, true);
  await eventually(() => beats.length === 2, "away");
  clock.tick(180_000);
  await eventually(() => beats.length === 3, "still away");
  setHidden(window, false);
  await eventually(() => beats.length === 4, "back");
  assert.deepEqual(beats, ["online", "away", "away", "online"]);
});

test("a hidden page may pause instead, or go on as before", async (t) => {
  const pausing = await newHeartbeat(t, { whenHidden: "pause" });
  pausing.heartbeat.start();
  await eventually(() => pausing.beats.length === 1, "the first beat");
  setHidden(pausing.window, true);
  pausing.clock.tick(600_000);
  await settle();
  assert.equal(pausing.beats.length, 1);
  setHidden(pausing.window, false);
  await eventually(() => pausing.beats.length === 2, "the beat on return");

  const steady = await newHeartbeat(t, { whenHidden: "keep" });
  steady.heartbeat.start();
  await eventually(() => steady.beats.length === 1, "the first beat");
  setHidden(steady.window, true);
  await settle();
  assert.equal(steady.beats.length, 1);
  steady.clock.tick(180_000);
  await eventually(() => steady.beats.length === 2, "the next beat");
  assert.deepEqual(steady.beats, ["online", "online"]);
});

test("a token that changes is asked for before every beat", async (t) => {
  let count = 0;
  const { asked, clock, heartbeat } = await newHeartbeat(t, {
    token: async () => `t${(count += 1)}`,
  });
  heartbeat.start();
  await eventually(() => asked.length === 1, "the first beat");
  clock.tick(180_000);
  await eventually(() => asked.length === 2, "the second beat");
  assert.deepEqual(
    asked.map(({ authorization }) => authorization),
    ["Bearer t1", "Bearer t2"],
  );
});
