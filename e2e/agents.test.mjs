/**
 * Document 001 in a browser: a page that sends heartbeats as its example does, in our own words,
 * and the demo's agent who serves a customer of the widget from login to rating.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, newPage } from "./browser.mjs";
import { eventually, startServer } from "./server.mjs";
import { connect, post, startDemoServer } from "./socketio.mjs";
import { demoLogin, patch } from "./staff.mjs";

const DEWI = "770e8400-e29b-41d4-a716-446655440001";
const INTERVAL_MS = 180_000;

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/**
 * What 001 shows of an agent's page: a timer of three minutes from login to logout, a status that
 * is asked for each time, an error on the console, and `offline` at the end.
 */
function install(token) {
  const headers = { Authorization: `Bearer ${token}` };
  const page = { timer: null, status: "online" };
  page.beat = async () => {
    const response = await fetch("/api/agent-status/heartbeat", {
      method: "POST",
      headers: { ...headers, "Content-Type": "application/json" },
      body: JSON.stringify({ status: page.status }),
    });
    if (!response.ok) console.error("a heartbeat was refused:", response.status);
  };
  page.login = () => {
    page.timer = setInterval(page.beat, 180_000);
  };
  page.logout = async () => {
    clearInterval(page.timer);
    await fetch("/api/agent-status/offline", { method: "POST", headers });
  };
  document.addEventListener("visibilitychange", () => {
    page.status = document.hidden ? "away" : "online";
    void page.beat();
  });
  globalThis.agentPage = page;
}

/** A page of an agent with this token, whose clock the test moves. */
async function agentPage(t, server, token) {
  const page = await newPage(t, browser);
  await page.clock.install();
  await page.goto(server.origin);
  await page.evaluate(install, token);
  page.beats = 0;
  page.on("request", (request) => {
    if (request.url().endsWith("/api/agent-status/heartbeat")) page.beats += 1;
  });
  page.say = (what) => page.evaluate((name) => globalThis.agentPage[name](), what);
  page.setHidden = (isHidden) =>
    page.evaluate((value) => {
      Object.defineProperty(document, "hidden", { value, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, isHidden);
  return page;
}

/** Waits until the lists of agents show Dewi as this; `undefined`: not at all. */
function isListed(api, status) {
  const listed = async () => {
    const found = (await api.online()).find(({ agent_id }) => agent_id === DEWI);
    return found?.status === status;
  };
  return eventually(listed, { what: `Dewi to be ${status}` });
}

// 001: acceptance 89, 92, 93, 97, 110, 112, 113, 121
test("a page that beats every three minutes makes its agent online, until it says offline", async (t) => {
  const server = await startServer(t);
  const { token } = await demoLogin(server, "dewi");
  const { api } = await demoLogin(server, "admin");
  const page = await agentPage(t, server, token);
  await page.say("login");
  await page.clock.runFor(INTERVAL_MS - 1000);
  assert.equal(page.beats, 0, "the first one comes after three minutes");
  await isListed(api, undefined);
  await page.clock.runFor(1000);
  await isListed(api, "online");
  await page.setHidden(true);
  await isListed(api, "away");
  await page.clock.runFor(INTERVAL_MS);
  await eventually(() => page.beats === 3, { what: "a beat of the hidden page" });
  await isListed(api, "away");
  await page.setHidden(false);
  await isListed(api, "online");
  const [{ department, online }] = await api.stats();
  assert.deepEqual([department, online], ["Customer Support", 1]);
  await page.say("logout");
  await isListed(api, undefined);
  const { status, reason } = await api.agent(DEWI);
  assert.deepEqual([status, reason], ["offline", "declared"]);
  const { beats } = page;
  await page.clock.runFor(10 * INTERVAL_MS);
  assert.equal(page.beats, beats, "nothing beats after the logout");
  assert.deepEqual(page.problems, []);
});

// 001: acceptance 105, 111
test("a page whose token has ended is told so by each heartbeat", async (t) => {
  const server = await startServer(t);
  const page = await agentPage(t, server, "ended");
  await page.say("login");
  await page.clock.runFor(INTERVAL_MS);
  const refused = (text) => text.includes("a heartbeat was refused: 401");
  await eventually(() => page.problems.some(refused), { what: "the refusal" });
});

// 001: acceptance 98, 99
test("an agent whose page is gone without a word is offline when its heartbeat has run out", async (t) => {
  const env = { AGENT_STATUS_TTL: "2", HEARTBEAT_INTERVAL: "1" };
  const server = await startServer(t, { env });
  const { token } = await demoLogin(server, "dewi");
  const { api } = await demoLogin(server, "admin");
  const page = await agentPage(t, server, token);
  await page.say("beat");
  await isListed(api, "online");
  await page.close();
  await isListed(api, undefined);
  const { status, reason } = await api.agent(DEWI);
  assert.deepEqual([status, reason], ["offline", "heartbeat_ended"]);
});

/** The demo's widget with a question the bot has answered. */
async function openWidget(t, server, query = "") {
  const page = await newPage(t, browser);
  await page.goto(`${server.origin}/widget/chatbot-iframe.html${query}`);
  const send = async (text) => {
    await page.getByTestId("input").fill(text);
    await page.getByTestId("input").press("Enter");
  };
  await send("When are you open?");
  await page.locator(".line.bot").first().waitFor();
  await page.getByTestId("person").click();
  await page.locator('[data-testid="notice"][data-kind="handoff"]').waitFor();
  const saved = await page.evaluate(() => JSON.parse(localStorage["switchboard.widget.default."]));
  const status = (text) => page.getByTestId("status").filter({ hasText: text }).waitFor();
  return { page, send, saved, status, message: (text) => page.getByText(text).waitFor() };
}

test("the demo from login to rating: who waits is Dewi's by itself once she is there", async (t) => {
  const server = await startDemoServer(t);
  const widget = await openWidget(t, server);
  const { sessionId, token } = widget.saved;
  await widget.status("Number 1 in the queue");
  const dewi = await demoLogin(server, "dewi");
  await dewi.api.heartbeat("online");
  await widget.status("Dewi is answering");
  const { current_chats } = await dewi.api.agent(DEWI);
  assert.equal(current_chats, 1);
  const desk = await connect(t, server.origin, dewi);
  await desk.joins(sessionId);
  await desk.says(sessionId, "Good morning!");
  await widget.message("Good morning!");
  await widget.send("Thank you");
  await desk.hears("message_received", ({ content }) => content === "Thank you");
  await post(server.origin, `/api/sessions/${sessionId}/close`, {}, dewi.token);
  await widget.page.locator('[data-kind="closed"]').waitFor();
  await post(server.origin, `/api/sessions/${sessionId}/rating`, { score: 5 }, token);
  const rated = await desk.hears("conversation_rated");
  assert.deepEqual([rated.session_id, rated.score], [sessionId, 5]);
  assert.equal((await dewi.api.agent(DEWI)).current_chats, 0);
  assert.deepEqual(widget.page.problems, []);
});

for (const [lang, closed, escalated] of [
  ["en", "Closed. Open again:", "More colleagues are asked to help you"],
  ["id", "Tutup. Buka kembali:", "Rekan lain juga kami minta membantu Anda"],
]) {
  test(`the widget says in ${lang} that more are asked, and when it is closed`, async (t) => {
    const server = await startDemoServer(t);
    const boss = await demoLogin(server, "admin");
    const widget = await openWidget(t, server, `?lang=${lang}`);
    const department_id = "660e8400-e29b-41d4-a716-446655440000";
    const path = `/api/departments/${department_id}`;
    const escalations = [{ after_seconds: 1, action: "supervisors" }];
    await patch(server, path, { routing: { escalations } }, boss.token);
    const transfer = `/api/sessions/${widget.saved.sessionId}/transfer`;
    await post(server.origin, transfer, { department_id }, boss.token);
    await widget.message(escalated);
    // Open on one day of the week only, which is not today anywhere.
    const day = new Date(Date.now() + 3 * 86_400_000).toLocaleDateString("en", { weekday: "short" });
    const hours = { time_zone: "UTC", weekly: { [day.toLowerCase()]: ["09:00-17:00"] } };
    await patch(server, path, { routing: { hours } }, boss.token);
    await widget.status(closed);
    assert.deepEqual(widget.page.problems, []);
  });
}
