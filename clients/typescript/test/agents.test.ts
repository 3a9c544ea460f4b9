/** Document 001's endpoints and the answers to offers, against a local HTTP double. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { AgentStatusAPI, ApiError } from "../src/agents.ts";
import { SESSION } from "./fake-socket.ts";
import { newHttpDouble, type Answered } from "./http-double.ts";

const AGENT = "770e8400-e29b-41d4-a716-446655440001";
const DEPARTMENT = "660e8400-e29b-41d4-a716-446655440000";

/** The client beside a server that answers each question with `answer`. */
async function newApi(t: TestContext, answer: Answered) {
  const { url, asked } = await newHttpDouble(t, () => answer);
  return { api: new AgentStatusAPI(`${url}/`, { token: "t1" }), asked };
}

/** A method of the client, what it asks, and what it says with it. */
type Row = [(api: AgentStatusAPI) => Promise<unknown>, string, unknown?];

// 001: acceptance 89, 90, 93 to 97
const CALLS: Row[] = [
  [(api) => api.heartbeat("busy"), "POST /api/agent-status/heartbeat", { status: "busy" }],
  [(api) => api.heartbeat(), "POST /api/agent-status/heartbeat"],
  [(api) => api.offline(), "POST /api/agent-status/offline"],
  [(api) => api.online(), "GET /api/agent-status/online"],
  [(api) => api.department(DEPARTMENT), `GET /api/agent-status/department/${DEPARTMENT}`],
  [(api) => api.agent(AGENT), `GET /api/agent-status/agent/${AGENT}`],
  [(api) => api.agent("a/b?c"), "GET /api/agent-status/agent/a%2Fb%3Fc"],
  [(api) => api.stats(), "GET /api/agent-status/stats"],
  [(api) => api.claim(SESSION), `POST /api/sessions/${SESSION}/assign`, {}],
  [(api) => api.decline(SESSION), `POST /api/sessions/${SESSION}/decline`],
];

for (const [call, line, body] of CALLS) {
  const said = body ? ` ${JSON.stringify(body)}` : "";
  test(`${line}${said} is asked with the token, and its data given`, async (t) => {
    const { api, asked } = await newApi(t, { body: { success: true, data: { told: line } } });
    assert.deepEqual(await call(api), { told: line });
    const [method, url] = line.split(" ");
    assert.deepEqual(asked, [{ method, url, authorization: "Bearer t1", body }]);
  });
}

test("a claim that somebody else won names the winner", async (t) => {
  const { api } = await newApi(t, {
    status: 409,
    body: {
      success: false,
      message: "Conflict",
      error: "it is assigned already",
      code: "conflict",
      data: { agent_id: AGENT, name: "Dewi" },
    },
  });
  await assert.rejects(api.claim(SESSION), (error: ApiError) => {
    assert.ok(error instanceof ApiError);
    assert.deepEqual([error.status, error.code], [409, "conflict"]);
    assert.deepEqual(error.holder, { agent_id: AGENT, name: "Dewi" });
    assert.equal(error.message, "Conflict: it is assigned already");
    return true;
  });
});

test("a refusal without a winner has none, and no answer at all has status 0", async (t) => {
  const { api } = await newApi(t, { status: 409, body: { message: "Conflict", data: null } });
  await assert.rejects(api.decline(SESSION), { status: 409, holder: undefined });
  await assert.rejects(new AgentStatusAPI("http://127.0.0.1:1").online(), { status: 0 });
});

test("an answer that is no JSON is no answer of the server", async (t) => {
  const { api } = await newApi(t, { status: 502, body: undefined });
  await assert.rejects(api.stats(), { status: 502 });
});
