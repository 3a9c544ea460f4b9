/**
 * Where recovery ends: what was missed cannot be told, or not to this client. It starts anew, in no
 * room, and is told why; unless it names the cursor up to which it has read.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { comesBack, isRecovered, isResynced, onALine, saysBefore } from "./line.mjs";
import { pause } from "./server.mjs";
import { connect, sign, startConversation } from "./socketio.mjs";

test("another user's pid gives nothing away", async (t) => {
  const line = await onALine(t);
  const { asking, server, proxy } = line;
  await saysBefore(line, "before");
  asking.forget();
  proxy.cut();
  await asking.hears("disconnect");
  const { sessionId } = await startConversation(server);
  asking.socket.auth = { sessionId };
  asking.forget();
  proxy.open();
  await isResynced(line, "unknown_recovery");
});

test("another tenant's user gets nothing for a pid either", async (t) => {
  const line = await onALine(t);
  await saysBefore(line, "before");
  line.asking.forget();
  line.proxy.cut();
  await line.asking.hears("disconnect");
  const token = sign({ sub: line.customer.userId, role: "customer", tenant: "acme" });
  line.asking.socket.auth = { token };
  line.asking.forget();
  line.proxy.open();
  await isResynced(line, "unknown_cursor");
});

for (const [what, changed, reason] of [
  [
    "a pid that was never given",
    { pid: crypto.randomUUID().replaceAll("-", "") },
    "unknown_recovery",
  ],
  ["a pid that is garbage", { pid: '42["x"]' }, "unknown_recovery"],
  ["an offset that is garbage", { offset: "no cursor" }, "unknown_cursor"],
  ["an offset of digits only", { offset: "1" }, "unknown_cursor"],
  ["an offset of another log", { offset: "L00000000-1" }, "unknown_cursor"],
  ["an offset that is still to come", { pid: undefined, offset: undefined }, "unknown_cursor"],
]) {
  test(`${what} is answered by a resync, and by no room`, async (t) => {
    const line = await onALine(t);
    const { asking, customer, proxy } = line;
    await saysBefore(line, "before");
    const { sessionId } = customer;
    const isAhead = "offset" in changed && changed.offset === undefined;
    const offset = asking.all("cursor").at(-1).replace(/-\d+$/, "-999999");
    asking.socket.auth = { sessionId, ...(isAhead ? { offset } : changed) };
    asking.forget();
    proxy.cut();
    await asking.hears("disconnect");
    asking.forget();
    proxy.open();
    await isResynced(line, reason);
  });
}

test("after a resync the client can be recovered again", async (t) => {
  const line = await onALine(t);
  const { asking, answering, customer, conversation, proxy } = line;
  await saysBefore(line, "before");
  const { sessionId } = customer;
  asking.socket.auth = { sessionId, pid: "garbage" };
  asking.forget();
  proxy.cut();
  await asking.hears("disconnect");
  proxy.open();
  await asking.hears("resync");
  asking.socket.auth = { sessionId };
  await asking.joins(conversation);
  await saysBefore(line, "in between");
  asking.forget();
  proxy.cut();
  await asking.hears("disconnect");
  await answering.says(conversation, "missed");
  asking.forget();
  proxy.open();
  await isRecovered(line, ["missed"]);
});

/** Cut for longer than the server promises to remember. */
async function awayTooLong(t, { auth = {} } = {}) {
  const line = await onALine(t, { env: { SWITCHBOARD__SERVER__RECOVERY_WINDOW: "1s" } });
  const { asking, answering, conversation, customer, proxy } = line;
  await saysBefore(line, "before");
  const after = asking.all("cursor").at(-1);
  proxy.cut();
  await asking.hears("disconnect");
  await answering.says(conversation, "missed");
  await pause(1300);
  asking.socket.auth = { sessionId: customer.sessionId, ...(auth.after ? { after } : {}) };
  asking.forget();
  proxy.open();
  return line;
}

test("a client that stays away too long starts anew, and is told so", async (t) => {
  await isResynced(await awayTooLong(t), "recovery_expired");
});

test("a client that stays away too long but names its cursor is taken up again", async (t) => {
  await isRecovered(await awayTooLong(t, { auth: { after: true } }), ["missed"]);
});

test("a cursor older than what is kept is answered by a resync, never by a gap", async (t) => {
  const line = await onALine(t);
  const { asking, answering, conversation, customer, proxy, server } = line;
  await saysBefore(line, "before");
  const after = asking.all("cursor").at(-1);
  proxy.cut();
  await asking.hears("disconnect");
  await answering.says(conversation, "soon forgotten");
  answering.forget();
  await server.stop();
  await pause(1100);
  // What is past its retention goes when the server starts.
  const next = await server.next({ SWITCHBOARD__RETENTION__MESSAGES: "1s" });
  await comesBack(answering);
  await answering.joins(conversation);
  asking.socket.auth = { sessionId: customer.sessionId, after };
  asking.forget();
  proxy.open();
  await isResynced(line, "cursor_expired");
  assert.match(next.output.text, /deleted events past their retention/);
});

test("with a cursor but no pid, joining tells what happened since", async (t) => {
  const { server, asking, answering, conversation, customer } = await onALine(t);
  await answering.says(conversation, "read");
  await asking.hears("message_received");
  await asking.hears("cursor", () => asking.heard.at(-1).event === "cursor");
  const after = asking.all("cursor").at(-1);
  asking.socket.disconnect();
  const missed = ["missed 1", "missed 2"];
  for (const text of missed) await answering.says(conversation, text);
  const { sessionId } = customer;
  const later = await connect(t, server.origin, { sessionId, after });
  assert.equal(later.socket.recovered, false);
  await answering.says(conversation, "missed before the join");
  assert.deepEqual(later.texts(), []);
  await later.joins(conversation);
  await answering.says(conversation, "live");
  await later.hears("message_received", ({ content }) => content === "live");
  assert.deepEqual(later.texts(), [...missed, "missed before the join", "live"]);
  assert.deepEqual(later.all("resync"), []);
});

test("a cursor nobody knows, without a pid, is answered by a resync", async (t) => {
  const { server, customer } = await onALine(t);
  const { sessionId } = customer;
  const later = await connect(t, server.origin, { sessionId, after: "L00000000-7" });
  assert.equal((await later.hears("resync")).reason, "unknown_cursor");
});
