/** The chat widget as a visitor uses it: alone, in a frame, with the bot and with people. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { axeFindings, launch, newPage, PHONE } from "./browser.mjs";
import { eventually, startServer } from "./server.mjs";

const WIDGET = "/widget/chatbot-iframe.html";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** The widget in a page or a frame. */
class Widget {
  constructor(root) {
    this.root = root;
    this.input = root.getByTestId("input");
  }

  get(testId) {
    return this.root.getByTestId(testId);
  }

  message(text) {
    return this.get("message").filter({ hasText: text });
  }

  async send(text) {
    await this.input.fill(text);
    await this.input.press("Enter");
  }

  status(text) {
    return this.get("status").filter({ hasText: text });
  }

  /** The conversation it has kept. */
  saved(key = "switchboard.widget.default.") {
    return this.root.locator("body").evaluate((_, name) => JSON.parse(localStorage[name]), key);
  }
}

async function openWidget(t, { query = "", options = {}, server } = {}) {
  const running = server ?? (await startServer(t));
  const page = await newPage(t, browser, options);
  await page.goto(running.origin + WIDGET + query);
  return { server: running, page, widget: new Widget(page) };
}

/** Agent Dewi of the demo, over REST. */
async function newAgent({ origin }) {
  const post = async (path, body, token) => {
    const headers = { "content-type": "application/json" };
    if (token) headers.authorization = `Bearer ${token}`;
    const init = { method: "POST", headers, body: JSON.stringify(body) };
    const response = await fetch(origin + path, init);
    assert.ok(response.ok, `${path}: ${response.status}`);
    return (await response.json()).data;
  };
  const { token } = await post("/api/auth/login", { email: "dewi@demo.example", password: "demo" });
  return {
    claim: (id) => post(`/api/sessions/${id}/assign`, {}, token),
    close: (id) => post(`/api/sessions/${id}/close`, {}, token),
    say: (conversationId, content) => post("/api/messages", { conversationId, content }, token),
  };
}

test("the bot answers a suggestion at once, and the visitor's message is sent once", async (t) => {
  const { page, widget } = await openWidget(t);
  await widget.root.getByRole("button", { name: "What are your opening hours?" }).click();
  await widget.message("Monday to Friday").waitFor();
  assert.equal(await widget.get("message").count(), 2);
  await widget.status("The assistant answers at once").waitFor();
  assert.deepEqual(page.problems, []);
});

test("a person takes over: queue, name, marks, and back to the same talk after a reload", async (t) => {
  const { server, page, widget } = await openWidget(t);
  await widget.send("When are you open?");
  await widget.message("Monday to Friday").waitFor();
  await widget.get("person").click();
  await widget.root.locator('[data-testid="notice"][data-kind="handoff"]').waitFor();
  await widget.status("in the queue").waitFor();
  assert.equal(await widget.get("person").count(), 0, "a person has been asked for");

  const agent = await newAgent(server);
  const { sessionId } = await widget.saved();
  await agent.claim(sessionId);
  await widget.status("Dewi is answering").waitFor();
  await agent.say(sessionId, "Good morning!");
  await widget.message("Good morning!").waitFor();
  await widget.send("Hello Dewi");
  await widget.message("Hello Dewi").locator('[data-mark="sent"]').waitFor();

  const before = await widget.get("message").allTextContents();
  await page.reload();
  await widget.message("Hello Dewi").waitFor();
  assert.deepEqual(await widget.get("message").allTextContents(), before);
  await widget.status("Dewi is answering").waitFor();

  await agent.close(sessionId);
  await widget.root.locator('[data-kind="closed"]').waitFor();
  assert.deepEqual(page.problems, []);
});

test("without a server it says so, keeps what is written, and sends it on return", async (t) => {
  const { server, page, widget } = await openWidget(t);
  await widget.send("When are you open?");
  await widget.message("Monday to Friday").waitFor();
  await server.kill();
  await widget.get("offline").waitFor();
  await widget.send("Written without a server");
  const text = widget.message("Written without a server");
  await text.locator('[data-mark="pending"]').waitFor();
  // The page itself cannot be loaded now, so the reload that this survives comes after the return.
  await server.next();
  await text.locator('[data-mark="pending"]').waitFor({ state: "detached", timeout: 30_000 });
  assert.equal(await text.count(), 1);
  await page.reload();
  await text.waitFor();
  assert.equal(await text.count(), 1);
});

test("what comes while nobody looks is counted, and read once somebody does", async (t) => {
  const { server, page, widget } = await openWidget(t);
  await widget.send("When are you open?");
  await widget.message("Monday to Friday").waitFor();
  const agent = await newAgent(server);
  const { sessionId } = await widget.saved();
  await agent.claim(sessionId);
  const setHidden = (isHidden) =>
    page.evaluate((value) => {
      Object.defineProperty(document, "hidden", { value, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, isHidden);
  await setHidden(true);
  await agent.say(sessionId, "one");
  await agent.say(sessionId, "two");
  await eventually(async () => (await page.title()).startsWith("(2)"), { what: "the count" });
  await setHidden(false);
  await eventually(async () => (await page.title()) === "Chat with us", { what: "no count" });
});

test("in a frame of another page it works, and tells that page what is unread", async (t) => {
  const outer = createServer((_, response) =>
    response.setHeader("content-type", "text/html").end(`<!doctype html><title>Shop</title>
      <script>addEventListener("message", (event) => (window.told ??= []).push(event.data));</script>
      <iframe id="chat" title="Chat" style="width:400px;height:600px"></iframe>`),
  );
  await new Promise((resolve) => outer.listen(0, "127.0.0.1", resolve));
  t.after(() => outer.close());
  const shop = `http://127.0.0.1:${outer.address().port}`;
  const server = await startServer(t, { env: { WEBSOCKET_CORS_ORIGIN: shop } });
  const page = await newPage(t, browser);
  await page.goto(shop);
  await page.evaluate((src) => {
    document.getElementById("chat").src = src;
  }, `${server.origin}${WIDGET}?lang=id`);
  const frame = page.frameLocator("#chat");
  await frame.getByTestId("input").fill("Jam berapa buka?");
  await frame.getByTestId("input").press("Enter");
  await frame.locator(".line.bot").first().waitFor();
  await frame.getByTestId("hide").click();
  for (const type of ["switchboard:unread", "switchboard:hide"]) {
    const isTold = (name) => window.told.some((each) => each.type === name);
    await eventually(() => page.evaluate(isTold, type), { what: type });
  }
});

test("language, tenant and conversation come from the address, each with a talk of its own", async (t) => {
  const { server, page, widget } = await openWidget(t, { query: "?lang=id&conversation=order-7" });
  await page.getByRole("heading", { name: "Halo! Ada yang bisa kami bantu?" }).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.lang), "id");
  await widget.send("Halo");
  await widget.root.locator(".line.bot").first().waitFor();
  assert.ok(await widget.saved("switchboard.widget.default.order-7"));
  await page.goto(`${server.origin}${WIDGET}?lang=en`);
  await widget.get("welcome").waitFor();
  await page.goto(`${server.origin}${WIDGET}?lang=en&conversation=order-7`);
  await widget.message("Halo").first().waitFor();
});

for (const colorScheme of ["light", "dark"]) {
  test(`axe finds nothing in a talk on a phone in ${colorScheme} colours`, async (t) => {
    const options = { viewport: PHONE, colorScheme, reducedMotion: "reduce" };
    const { page, widget } = await openWidget(t, { options });
    await widget.get("welcome").waitFor();
    assert.deepEqual(await axeFindings(page), []);
    await widget.send("x".repeat(300));
    await widget.get("person").waitFor({ state: "detached" });
    await widget.root.locator(".line.bot").first().waitFor();
    assert.deepEqual(await axeFindings(page), []);
    const { scrollWidth, clientWidth } = await page.evaluate(() => document.documentElement);
    assert.equal(scrollWidth, clientWidth);
  });
}

test("everything can be done with the keyboard alone", async (t) => {
  const { page, widget } = await openWidget(t);
  await widget.get("welcome").waitFor();
  for (let presses = 0; presses < 10; presses += 1) {
    await page.keyboard.press("Tab");
    const isOnSuggestion = await page.evaluate(() =>
      document.activeElement?.classList.contains("suggestion"),
    );
    if (isOnSuggestion) break;
  }
  await page.keyboard.press("Enter");
  await widget.root.locator(".line.bot").first().waitFor();
});

test("a message on its way survives a reload, and is sent once", async (t) => {
  const { page, widget } = await openWidget(t);
  await page.route("**/api/coze/chat", () => {
    // Neither answered nor passed on: the page is gone before.
  });
  await widget.send("When are you open?");
  await widget.message("When are you open?").locator('[data-mark="pending"]').waitFor();
  await eventually(() => widget.saved(), { what: "the conversation" });
  await page.unroute("**/api/coze/chat");
  await page.reload();
  await widget.message("Monday to Friday").waitFor();
  assert.equal(await widget.get("message").count(), 2);
});
