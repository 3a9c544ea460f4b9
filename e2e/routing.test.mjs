/**
 * Who takes the next conversation, as customers, agents and admins on unmodified clients hear it,
 * with the TypeScript client for what agents do over REST.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import WebSocket from "ws";
import { eventually } from "./server.mjs";
import { connect, post, startClosedServer, startConversation } from "./socketio.mjs";
import { admin, makeAgent, makeDepartment, patch } from "./staff.mjs";

/** A server on which whoever is lost is lost soon. */
const startServer = (t) => startClosedServer(t, { SWITCHBOARD__ROUTING__GRACE: "500ms" });

/** A customer who waits, on a socket that is in the conversation. */
async function comes(t, server, about = {}) {
  const customer = await startConversation(server, about);
  customer.peer = await connect(t, server.origin, customer);
  await customer.peer.joins(customer.conversation);
  return customer;
}

/** Customers who wait, in this order. */
async function queue(t, server, count, about = {}) {
  const customers = [];
  for (let place = 0; place < count; place += 1) customers.push(await comes(t, server, about));
  return customers;
}

const of =
  ({ conversation }) =>
  ({ session_id }) =>
    session_id === conversation;

const hearsOf = (peer, event, customer, withinMs) => peer.hears(event, of(customer), withinMs);

/** Waits until the newest place that a customer was told is this one. */
function standsAt({ peer }, position) {
  const isThere = () => peer.all("conversation_queued").at(-1)?.position === position;
  return eventually(isThere, { withinMs: 5000, what: `place ${position}` });
}

const close = ({ origin }, { conversation }, { token }) =>
  post(origin, `/api/sessions/${conversation}/close`, {}, token);

test("an agent who connects gets who waits longest, and the others move up", async (t) => {
  const server = await startServer(t);
  const dewi = await makeAgent(server, "Dewi", { max_chats: 1 });
  const [first, second, third] = await queue(t, server, 3);
  dewi.peer = await connect(t, server.origin, dewi);
  for (const peer of [first.peer, dewi.peer]) {
    const { agent_id, agent_name } = await hearsOf(peer, "conversation_assigned", first);
    assert.deepEqual([agent_id, agent_name], [dewi.userId, "Dewi"]);
  }
  await standsAt(second, 1);
  await standsAt(third, 2);
  await close(server, first, dewi);
  await hearsOf(dewi.peer, "conversation_assigned", second);
  await hearsOf(second.peer, "conversation_assigned", second);
  await standsAt(third, 1);
  const { estimated_wait_seconds } = third.peer.all("conversation_queued").at(-1);
  assert.ok(Number.isInteger(estimated_wait_seconds), `${estimated_wait_seconds}`);
  assert.deepEqual(third.peer.all("conversation_assigned"), []);
});

test("an agent on a raw WebSocket is there as well, and hears whom it gets", async (t) => {
  const server = await startServer(t);
  const dewi = await makeAgent(server, "Dewi");
  const customer = await comes(t, server);
  const path = `/ws/${customer.conversation}/${dewi.userId}/agent`;
  const socket = new WebSocket(server.sockets + path, ["bearer", dewi.token]);
  t.after(() => socket.terminate());
  const frames = [];
  socket.on("message", (text) => frames.push(JSON.parse(text)));
  await once(socket, "open");
  await eventually(() => frames.find(({ type }) => type === "conversation_assigned"), {
    what: "the assignment on the raw socket",
  });
  await hearsOf(customer.peer, "conversation_assigned", customer);
  const [{ status, reason, current_chats }] = await dewi.api.online();
  assert.deepEqual([status, reason, current_chats], ["online", "connected", 1]);
});

test("an offer that is declined goes to the next agent, who accepts it", async (t) => {
  const server = await startServer(t);
  const routing = { offer: "accept", offer_timeout_seconds: 60 };
  const department = await makeDepartment(server, "Support", routing);
  const agents = [];
  for (const name of ["Dewi", "Agus"]) {
    const agent = await makeAgent(server, name, { department_ids: [department] });
    agent.peer = await connect(t, server.origin, agent);
    agents.push(agent);
  }
  const customer = await comes(t, server, { department_id: department });
  const { agent_id } = await Promise.race(
    agents.map(({ peer }) => hearsOf(peer, "conversation_offered", customer)),
  );
  const asked = agents.find(({ userId }) => userId === agent_id);
  const other = agents.find((agent) => agent !== asked);
  const ended = await asked.api.decline(customer.conversation);
  assert.equal(ended.outcome, "declined");
  await hearsOf(asked.peer, "conversation_offer_ended", customer);
  const { attempt, until } = await hearsOf(other.peer, "conversation_offered", customer);
  assert.equal(attempt, 2);
  assert.ok(Date.parse(until) > Date.now());
  const assigned = await other.api.claim(customer.conversation);
  assert.deepEqual([assigned.agent_id, assigned.agent_name], [other.userId, other.name]);
  await hearsOf(customer.peer, "conversation_assigned", customer);
  await assert.rejects(asked.api.claim(customer.conversation), {
    status: 409,
    holder: { agent_id: other.userId, name: other.name },
  });
  await assert.rejects(asked.api.decline(customer.conversation), { status: 403 });
  assert.deepEqual(customer.peer.all("conversation_offered"), [], "offers are for the staff");
});

test("a restart loses no place in the queue, no offer and no agent", async (t) => {
  const server = await startServer(t);
  const routing = { offer: "accept", offer_timeout_seconds: 120 };
  const department = await makeDepartment(server, "Support", routing);
  const about = { max_chats: 1, department_ids: [department] };
  const dewi = await makeAgent(server, "Dewi", about);
  await dewi.api.heartbeat("online");
  dewi.peer = await connect(t, server.origin, dewi);
  const [first, second, third] = await queue(t, server, 3, { department_id: department });
  await hearsOf(dewi.peer, "conversation_offered", first);
  for (const { peer } of [first, second, third, dewi]) peer.forget();
  await server.stop();
  const restarted = await server.next();
  for (const { peer } of [first, second, third, dewi]) {
    await peer.hears("connect", undefined, 15_000);
  }
  assert.deepEqual(
    (await dewi.api.online()).map(({ agent_id, declared }) => [agent_id, declared]),
    [[dewi.userId, "online"]],
  );
  await dewi.api.claim(first.conversation);
  await hearsOf(first.peer, "conversation_assigned", first);
  await close(restarted, first, dewi);
  await hearsOf(dewi.peer, "conversation_offered", second);
  await dewi.api.claim(second.conversation);
  await standsAt(third, 1);
});

test("who loses its agent waits before all others, and hears so", async (t) => {
  const server = await startServer(t);
  const dewi = await makeAgent(server, "Dewi", { max_chats: 1 });
  const [served, waiting] = await queue(t, server, 2);
  dewi.peer = await connect(t, server.origin, dewi);
  await hearsOf(served.peer, "conversation_assigned", served);
  await standsAt(waiting, 1);
  await served.peer.does("send_message", {
    conversationId: served.conversation,
    content: "Are you there?",
  });
  dewi.peer.socket.disconnect();
  const handoff = await hearsOf(served.peer, "conversation_handoff", served);
  assert.deepEqual(
    [handoff.from, handoff.to, handoff.reason, handoff.agent_id],
    ["agent", "queue", "agent_lost", dewi.userId],
  );
  await standsAt(served, 1);
  await standsAt(waiting, 2);
  const agus = await makeAgent(server, "Agus", { max_chats: 1 });
  agus.peer = await connect(t, server.origin, agus);
  await hearsOf(agus.peer, "conversation_assigned", served);
  const { messages } = await agus.peer.does("history", { conversationId: served.conversation });
  assert.deepEqual(
    messages.map(({ content }) => content),
    ["Are you there?"],
  );
});

// 001: acceptance 118, 119, 120
test("an admin hears agents come, work and go, and a department that has nobody", async (t) => {
  const server = await startServer(t);
  const department = await makeDepartment(server, "Support");
  const dewi = await makeAgent(server, "Dewi", { max_chats: 1, department_ids: [department] });
  const boss = await connect(t, server.origin, admin());
  const hearsStatus = (wanted) =>
    boss.hears(
      "presence_update",
      ({ userId, status }) => userId === dewi.userId && status === wanted,
    );
  await dewi.api.heartbeat("online");
  await hearsStatus("online");
  const customer = await comes(t, server, { department_id: department });
  await hearsStatus("busy");
  await dewi.api.heartbeat("away");
  await hearsStatus("away");
  await dewi.api.offline();
  await hearsStatus("offline");
  // Nobody is missed for 15 s after a start: they may be on their way back.
  const empty = await boss.hears("agent_department_empty", undefined, 25_000);
  assert.deepEqual([empty.department_id, empty.department], [department, "Support"]);
  await hearsOf(customer.peer, "conversation_handoff", customer);
  boss.forget();
  await dewi.api.heartbeat("online");
  const covered = await boss.hears("agent_department_covered");
  assert.deepEqual([covered.department_id, covered.department], [department, "Support"]);
  assert.equal(boss.all("agent_department_empty").length, 0, "it is told once");
});

test("who comes back as away or busy is given nobody", async (t) => {
  const server = await startServer(t);
  const customer = await comes(t, server);
  const boss = await connect(t, server.origin, admin());
  for (const status of ["away", "busy"]) {
    const { userId, api } = await makeAgent(server, "Dewi");
    await api.heartbeat(status);
    const first = await boss.hears("presence_update", (told) => told.userId === userId);
    assert.equal(first.status, status, "it was not online for a moment");
    assert.equal((await api.agent(userId)).current_chats, 0);
  }
  assert.deepEqual(customer.peer.all("conversation_assigned"), []);
});

test("an agent may take what is offered to it", async (t) => {
  const server = await startServer(t);
  const department = await makeDepartment(server, "Support", { offer: "accept" });
  const dewi = await makeAgent(server, "Dewi");
  dewi.peer = await connect(t, server.origin, dewi);
  // Her token was signed before she came to this department.
  await patch(server, `/api/agents/${dewi.userId}`, { department_ids: [department] });
  const customer = await comes(t, server, { department_id: department });
  await hearsOf(dewi.peer, "conversation_offered", customer);
  assert.equal((await dewi.api.claim(customer.conversation)).agent_id, dewi.userId);
});
