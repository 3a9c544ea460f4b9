/** A customer and an agent in conversation on the test page, in a real browser. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, newPage, openConversation, openTestPage, Pane, PHONE } from "./browser.mjs";
import { eventually, startServer } from "./server.mjs";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

async function conversation(t, options) {
  const server = await startServer(t);
  const page = await newPage(t, browser, options);
  return { server, page, ...(await openConversation(page, server.origin)) };
}

test("customer and agent chat both ways, without a word of complaint", async (t) => {
  const { page, customer, agent } = await conversation(t);
  await customer.send("Hello from the customer");
  await agent.shows(["Hello from the customer"]);
  await agent.send("Hello from the agent");
  await customer.send("<b>no markup</b>\u{1F600}");
  const all = ["Hello from the customer", "Hello from the agent", "<b>no markup</b>\u{1F600}"];
  await agent.shows(all);
  await customer.shows(all);
  assert.deepEqual(page.problems, []);
});

test("an empty message is not sent, and a new line is no end", async (t) => {
  const { customer, agent } = await conversation(t);
  await customer.input.fill("   ");
  await customer.input.press("Enter");
  await customer.input.fill("one");
  await customer.input.press("Shift+Enter");
  await customer.input.pressSequentially("two");
  await customer.get("send").click();
  await agent.shows(["one\ntwo"]);
});

test("marks go from sent to delivered to read", async (t) => {
  const server = await startServer(t);
  // On a phone the agent's side is out of sight until somebody scrolls to it.
  const page = await newPage(t, browser, { viewport: PHONE });
  const { customer, agent } = await openTestPage(page, server.origin);
  await customer.get("start").click();
  await customer.phase("connected");
  await customer.send("nobody is here");
  await customer.mark("nobody is here", "sent");
  await agent.get("join").click();
  await agent.phase("connected");
  await page.evaluate(() => scrollTo(0, 0));
  await customer.send("arrives unseen");
  await customer.mark("arrives unseen", "delivered");
  await agent.get("log").scrollIntoViewIfNeeded();
  await customer.mark("arrives unseen", "read");
  await customer.mark("nobody is here", "read");
});

test("typing is shown to the other side only, and is gone three seconds after the last key", async (t) => {
  const { customer, agent } = await conversation(t);
  await agent.input.pressSequentially("Let me see");
  await customer.get("typing").waitFor();
  const shownAt = Date.now();
  assert.equal(await agent.get("typing").count(), 0);
  await customer.get("typing").waitFor({ state: "detached" });
  const shownMs = Date.now() - shownAt;
  assert.ok(shownMs > 1500 && shownMs < 5000, `typing was shown for ${shownMs} ms`);
});

test("typing ends when the message comes", async (t) => {
  const { customer, agent } = await conversation(t);
  await customer.input.pressSequentially("Done");
  await agent.get("typing").waitFor();
  await customer.input.press("Enter");
  await agent.get("typing").waitFor({ state: "detached", timeout: 2000 });
  await agent.shows(["Done"]);
});

test("a side that was cut off catches up, with nothing doubled and nothing missed", async (t) => {
  const { customer, agent } = await conversation(t);
  await customer.send("before");
  await agent.shows(["before"]);
  await agent.toggleLine();
  await agent.phase("idle");
  await customer.send("missed one");
  await customer.send("missed two");
  await customer.mark("missed two", "sent");
  await agent.send("written offline");
  await agent.mark("written offline", "pending");
  await agent.toggleLine();
  await agent.phase("connected");
  const all = ["before", "missed one", "missed two", "written offline"];
  await customer.shows(all);
  await agent.shows(all);
  await customer.mark("missed two", "read");
});

for (const [how, end] of [
  ["restarted", (server) => server.stop()],
  ["killed and started again", (server) => server.kill()],
]) {
  test(`the server is ${how}: both sides come back and nothing is lost`, async (t) => {
    const { server, customer, agent } = await conversation(t);
    await customer.send("before the end");
    await agent.shows(["before the end"]);
    await end(server);
    await customer.phase("waiting");
    await agent.phase("waiting");
    await customer.send("written without a server");
    await customer.mark("written without a server", "pending");
    await server.next();
    await customer.phase("connected", 30_000);
    await agent.phase("connected", 30_000);
    const all = ["before the end", "written without a server"];
    await agent.shows(all);
    await customer.shows(all);
    await agent.send("after the end");
    await customer.shows([...all, "after the end"]);
    await agent.shows([...all, "after the end"]);
  });
}

test("each side sees who is here, who leaves and who comes back", async (t) => {
  const { customer, agent } = await conversation(t);
  await customer
    .notice("joined")
    .filter({ hasText: "agent_demo has joined the session" })
    .waitFor();
  assert.equal(await agent.get("people").getByRole("listitem").count(), 2);
  await customer.toggleLine();
  await agent.notice("left").filter({ hasText: "has left the session" }).waitFor();
  await agent.get("warning").filter({ hasText: "Customer has left the session" }).waitFor();
  assert.equal(await agent.get("people").getByRole("listitem").count(), 1);
  await customer.toggleLine();
  await agent.notice("returned").waitFor();
  await agent.get("warning").waitFor({ state: "detached" });
});

test("the agent's side warns while a customer waits", async (t) => {
  const server = await startServer(t);
  const page = await newPage(t, browser);
  const { customer, agent } = await openTestPage(page, server.origin);
  await customer.get("start").click();
  const warning = agent.get("warning").filter({ hasText: "Customer waiting for agent!" });
  await warning.waitFor();
  await customer.get("queue").waitFor();
  await agent.get("join").click();
  await warning.waitFor({ state: "detached" });
  await customer.get("queue").waitFor({ state: "detached" });
  await agent.toggleLine();
  await warning.waitFor();
});

test("a reload goes on with the same conversation", async (t) => {
  const { page, customer, agent } = await conversation(t);
  await customer.send("one");
  await agent.shows(["one"]);
  await customer.mark("one", "read");
  await page.reload();
  await customer.phase("connected");
  await agent.phase("connected");
  await customer.shows(["one"]);
  await customer.mark("one", "read");
  await agent.send("two");
  await customer.shows(["one", "two"]);
});

test("a message that was not sent survives a reload", async (t) => {
  const { page, customer, agent } = await conversation(t);
  await customer.toggleLine();
  await customer.send("kept");
  await customer.mark("kept", "pending");
  await page.reload();
  await agent.shows(["kept"]);
  await customer.shows(["kept"]);
});

test("who opens a demo's test page can chat at once", async (t) => {
  const server = await startServer(t);
  const page = await newPage(t, browser);
  const { customer, agent } = await openTestPage(page, server.origin, "");
  await customer.phase("connected");
  await agent.phase("connected");
  await customer.send("hello");
  await agent.shows(["hello"]);
});

test("a new conversation starts empty", async (t) => {
  const { page, customer, agent } = await conversation(t);
  await customer.send("old");
  await agent.shows(["old"]);
  const oldId = await page.getByTestId("session-id").textContent();
  await page.getByTestId("new-conversation").click();
  await customer.get("start").click();
  await customer.phase("connected");
  assert.notEqual(await page.getByTestId("session-id").textContent(), oldId);
  await customer.shows([]);
  await agent.get("join").click();
  await agent.send("new");
  await customer.shows(["new"]);
});

test("a link opens a conversation on both sides", async (t) => {
  const server = await startServer(t);
  const page = await newPage(t, browser);
  const id = crypto.randomUUID();
  const { customer, agent } = await openTestPage(page, server.origin, `?session=${id}`);
  await customer.phase("connected");
  await agent.phase("connected");
  await agent.send("Welcome");
  await customer.shows(["Welcome"]);
  assert.deepEqual(page.problems, []);
});

test("the same conversation in two windows stays one", async (t) => {
  const { server, page, customer, agent } = await conversation(t);
  const id = await page.getByTestId("session-id").textContent();
  const other = await newPage(t, browser);
  await openTestPage(other, server.origin, `?session=${id}`);
  const secondAgent = new Pane(other, "agent");
  await secondAgent.phase("connected");
  await agent.send("from the first window");
  await secondAgent.send("from the second window");
  for (const pane of [customer, agent, secondAgent]) {
    await eventually(async () => (await pane.texts()).length === 2);
    assert.deepEqual(await pane.seqs(), [1, 2]);
  }
});

test("raw frames are shown on demand, both directions, readable", async (t) => {
  const { customer } = await conversation(t);
  await customer.send("look inside");
  await customer.get("frames-toggle").click();
  const frames = customer.get("frame");
  const sent = frames
    .filter({ hasText: '"look inside"' })
    .and(customer.root.locator('[data-direction="out"]'));
  await sent.first().waitFor();
  const first = frames.filter({ hasText: '"connection_established"' }).first();
  assert.equal(await first.getAttribute("data-direction"), "in");
  await first.locator("summary").click();
  const text = await first.locator("pre").textContent();
  assert.match(text, /\n  "data": \{\n    "session_id"/);
  await customer.get("frames-toggle").click();
  assert.equal(await customer.get("frames").count(), 0);
});

test("where sessions are not open, an agent signs in, and a wrong password is said in words", async (t) => {
  const server = await startServer(t);
  const page = await newPage(t, browser);
  await page.route("**/api/about", async (route) => {
    const response = await route.fetch();
    const about = await response.json();
    about.data.open_sessions = false;
    await route.fulfill({ response, json: about });
  });
  const { agent } = await openTestPage(page, server.origin);
  await agent.root.getByLabel("E-mail").fill("nobody@example.com");
  await agent.root.getByLabel("Password").fill("wrong");
  await agent.root.getByRole("button", { name: "Sign in" }).click();
  const failure = await agent.get("failure").textContent();
  assert.match(failure, /That did not work: \S/);
});
