/**
 * The people and departments of a server as an administrator makes them, over REST, and what
 * agents' programs do beside their sockets, with the TypeScript client as it is built.
 */
import assert from "node:assert/strict";
import { AgentStatusAPI } from "../clients/typescript/dist/agents.js";
import { post, sign } from "./socketio.mjs";

/** Somebody who may do everything in the tenant. */
export function admin() {
  const userId = crypto.randomUUID();
  return { userId, token: sign({ sub: userId, role: "admin", name: "Boss" }) };
}

/** A department's id; what `routing` leaves out is as the defaults say. */
export async function makeDepartment({ origin }, name, routing = {}) {
  const { id } = await post(origin, "/api/departments", { name, routing }, admin().token);
  return id;
}

/** An agent with `max_chats`, `department_ids` and whatever else `about` says. */
export async function makeAgent({ origin }, name, about = {}) {
  const { id } = await post(origin, "/api/agents", { name, ...about }, admin().token);
  // Which waiting conversations an agent may take is read from its token.
  const departments = about.department_ids ?? [];
  const token = sign({ sub: id, role: "agent", name, departments });
  return { userId: id, name, token, api: new AgentStatusAPI(origin, { token }) };
}

/** Changes a department or an agent. */
export async function patch({ origin }, path, body, token = admin().token) {
  const response = await fetch(origin + path, {
    method: "PATCH",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  });
  assert.equal(response.status, 200, `${path}: ${await response.text()}`);
}

/** One of the demo's people, signed in with the password that all of them have. */
export async function demoLogin({ origin }, name) {
  const email = `${name}@demo.example`;
  const { token, user } = await post(origin, "/api/auth/login", { email, password: "demo" });
  return { userId: user.id, token, api: new AgentStatusAPI(origin, { token }) };
}
