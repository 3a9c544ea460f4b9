/** What holds for every page: silence on the console, access for everyone, two languages, phones. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { axeFindings, launch, newPage, openConversation, PHONE } from "./browser.mjs";
import { startServer } from "./server.mjs";

const PAGES = ["/", "/websocket-test.html", "/docs", "/widget/chatbot-iframe.html"];

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** How wide the page is, and how much of that can be seen at once. */
function fit(page) {
  return page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    return { scrollWidth, clientWidth };
  });
}

/** Opens a page and waits until it shows what it has asked the server for. */
async function open(page, origin, path) {
  await page.goto(origin + path);
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.waitForLoadState("networkidle");
}

test("no page complains on the console", async (t) => {
  const { origin } = await startServer(t);
  for (const path of PAGES) {
    const page = await newPage(t, browser);
    await open(page, origin, path);
    assert.deepEqual(page.problems, [], path);
  }
});

for (const colorScheme of ["light", "dark"]) {
  test(`axe finds nothing on any page in ${colorScheme} colours`, async (t) => {
    const { origin } = await startServer(t);
    for (const path of PAGES) {
      const page = await newPage(t, browser, { colorScheme, reducedMotion: "reduce" });
      await open(page, origin, path);
      assert.deepEqual(await axeFindings(page), [], path);
    }
  });

  test(`axe finds nothing in a conversation in ${colorScheme} colours`, async (t) => {
    const { origin } = await startServer(t);
    const page = await newPage(t, browser, { colorScheme, reducedMotion: "reduce" });
    const { customer, agent } = await openConversation(page, origin);
    await customer.send("How do I look?");
    await agent.shows(["How do I look?"]);
    await agent.send("Fine");
    await customer.shows(["How do I look?", "Fine"]);
    await agent.get("frames-toggle").click();
    await agent.get("frame").first().locator("summary").click();
    await customer.toggleLine();
    await agent.get("warning").waitFor();
    assert.deepEqual(await axeFindings(page), []);
  });

  test(`axe finds nothing in an opened endpoint or event in ${colorScheme} colours`, async (t) => {
    const { origin } = await startServer(t);
    const page = await newPage(t, browser, { colorScheme, reducedMotion: "reduce" });
    await open(page, origin, "/docs");
    const operations = page.getByTestId("operation");
    for (const place of [0, 1, 2]) await operations.nth(place).locator("summary").first().click();
    const events = page.getByTestId("event");
    for (const place of [0, 1, 2]) await events.nth(place).locator("summary").first().click();
    const responses = page.locator(".response > summary");
    for (const response of await responses.all()) await response.click();
    assert.deepEqual(await axeFindings(page), []);
  });
}

test("no page is wider than a phone, in either language", async (t) => {
  const { origin } = await startServer(t);
  for (const locale of ["en-GB", "id-ID"]) {
    const page = await newPage(t, browser, { viewport: PHONE, locale });
    for (const path of PAGES) {
      await open(page, origin, path);
      const { scrollWidth, clientWidth } = await fit(page);
      assert.ok(scrollWidth <= clientWidth, `${path} in ${locale} is ${scrollWidth} px wide`);
    }
  }
});

test("a conversation with long words and open frames fits a phone", async (t) => {
  const { origin } = await startServer(t);
  const page = await newPage(t, browser, { viewport: PHONE });
  const { customer, agent } = await openConversation(page, origin);
  const long = "x".repeat(400);
  await customer.send(long);
  await agent.shows([long]);
  await agent.get("frames-toggle").click();
  const { scrollWidth, clientWidth } = await fit(page);
  assert.ok(scrollWidth <= clientWidth, `${scrollWidth} px wide`);
});

test("every endpoint and event, opened, fits a phone", async (t) => {
  const { origin } = await startServer(t);
  const page = await newPage(t, browser, { viewport: PHONE });
  await open(page, origin, "/docs");
  const entries = page.getByTestId("operation").or(page.getByTestId("event"));
  for (const operation of await entries.all()) {
    await operation.locator("summary").first().click();
    const { scrollWidth, clientWidth } = await fit(page);
    assert.ok(
      scrollWidth <= clientWidth,
      `${await operation.getAttribute("id")}: ${scrollWidth} px`,
    );
  }
});

test("the language follows the browser, can be changed, and is remembered", async (t) => {
  const { origin } = await startServer(t);
  const page = await newPage(t, browser, { locale: "id-ID" });
  const heading = page.getByRole("heading", { level: 1 });
  await open(page, origin, "/websocket-test.html");
  assert.equal(await heading.textContent(), "Halaman uji");
  assert.equal(await page.evaluate(() => document.documentElement.lang), "id");
  await page.getByTestId("language-en").click();
  assert.equal(await heading.textContent(), "Test page");
  await open(page, origin, "/docs");
  assert.equal(await heading.textContent(), "API reference");
  await page.getByTestId("language-id").click();
  await page.reload();
  await page.getByText("Referensi API").first().waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.lang), "id");
});

test("the start page says what runs and how it is doing", async (t) => {
  const { origin } = await startServer(t);
  const page = await newPage(t, browser);
  await open(page, origin, "/");
  const about = (await (await fetch(`${origin}/api/about`)).json()).data;
  await page.getByTestId("version").filter({ hasText: about.version }).waitFor();
  await page.getByTestId("overall-status").filter({ hasText: "All parts running" }).waitFor();
  assert.match(await page.getByTestId("connections").textContent(), /^\d+$/);
  for (const { path } of about.dialects) {
    assert.ok((await page.getByTestId("dialects").textContent()).includes(path));
  }
  const links = page.getByRole("main").getByRole("link");
  const targets = await links.evaluateAll((all) => all.map((link) => link.getAttribute("href")));
  const expected = ["/websocket-test.html", "/docs", "/openapi.json", "/asyncapi.json"];
  for (const target of [...expected, "/metrics", "/health"]) {
    assert.ok(targets.includes(target), `no link to ${target}`);
    assert.equal((await fetch(origin + target)).status, 200, target);
  }
});

test("everything can be reached with the keyboard", async (t) => {
  const { origin } = await startServer(t);
  const page = await newPage(t, browser);
  await open(page, origin, "/websocket-test.html?start=ask");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip-link");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.dataset.testid), "dialect");
  await page.keyboard.press("Tab");
  await page.keyboard.type("Keyboard user");
  await page.keyboard.press("Enter");
  await page.getByTestId("pane-customer").getByTestId("input").waitFor();
});

test("the API reference lists, filters, links and tries the server's own document", async (t) => {
  const { origin } = await startServer(t);
  const page = await newPage(t, browser);
  const { paths } = await (await fetch(`${origin}/openapi.json`)).json();
  const count = Object.values(paths).flatMap((item) =>
    Object.keys(item).filter((key) => /^(get|post|put|patch|delete)$/.test(key)),
  ).length;
  await open(page, origin, "/docs");
  const operations = page.getByTestId("operation");
  assert.equal(await operations.count(), count);
  await page.getByTestId("filter").fill("get /health");
  assert.equal(await operations.count(), 1);
  await operations.locator("summary").first().click();
  await operations.getByText(`curl '${origin}/health'`).waitFor();
  await operations.getByTestId("try-send").click();
  await operations.getByTestId("try-status").filter({ hasText: "200" }).waitFor();
  const id = await operations.getAttribute("id");
  await open(page, origin, `/docs#${id}`);
  await page.reload();
  await page.locator(`[id="${id}"][open]`).waitFor();
  assert.deepEqual(page.problems, []);
});

test("the API reference lists and filters every event, and links to it", async (t) => {
  const { origin } = await startServer(t);
  const page = await newPage(t, browser);
  const { components } = await (await fetch(`${origin}/asyncapi.json`)).json();
  const told = Object.values(components.messages).filter((message) => message["x-heard-by"]);
  await open(page, origin, "/docs");
  const events = page.getByTestId("event");
  assert.equal(await events.count(), told.length);
  await page.getByTestId("filter").fill("event unique_id");
  await page.getByTestId("count").filter({ hasText: /^0 endpoints, \d+ events$/ }).waitFor();
  await page.getByTestId("filter").fill("chat.session.started");
  assert.equal(await events.count(), 1);
  await events.locator("summary").first().click();
  await events.getByText("visitor_email").first().waitFor();
  await events.getByText("As an announcement of another system").waitFor();
  const id = await events.getAttribute("id");
  await open(page, origin, `/docs#${id}`);
  await page.reload();
  await page.locator(`[id="${id}"][open]`).waitFor();
  assert.deepEqual(page.problems, []);
});
