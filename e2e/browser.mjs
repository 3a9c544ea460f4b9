/**
 * Chromium from the system, driven by Playwright, and the test page as its user sees it.
 *
 * `CHROMIUM` names another browser binary.
 */
import assert from "node:assert/strict";
import axe from "axe-core";
import { chromium } from "playwright-core";
import { eventually } from "./server.mjs";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const ACTION_MS_MAX = 10_000;

export const DESKTOP = { width: 1280, height: 900 };
export const PHONE = { width: 375, height: 740 };

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: FLAGS,
  });
}

/**
 * A page in a fresh profile, closed when the test `t` ends. `page.problems` gathers what it
 * complains about: errors on the console, uncaught exceptions, violations of the policy.
 */
export async function newPage(t, browser, options = {}) {
  const context = await browser.newContext({ viewport: DESKTOP, locale: "en-GB", ...options });
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(ACTION_MS_MAX);
  page.problems = [];
  page.on("console", (message) => {
    if (message.type() === "error") page.problems.push(message.text());
  });
  page.on("pageerror", (error) => page.problems.push(String(error)));
  return page;
}

/** What axe-core finds wrong with the page as it is now, in short lines. */
export async function axeFindings(page) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document));
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id} (${help}) at ${target}: ${failureSummary}`),
  );
}

/** One side of the test page. */
export class Pane {
  constructor(page, side) {
    this.page = page;
    this.root = page.getByTestId(`pane-${side}`);
    this.input = this.root.getByTestId("input");
  }

  get(testId) {
    return this.root.getByTestId(testId);
  }

  message(text) {
    return this.get("message").filter({ hasText: text });
  }

  notice(kind) {
    return this.root.locator(`[data-testid="notice"][data-kind="${kind}"]`);
  }

  async send(text) {
    await this.input.fill(text);
    await this.input.press("Enter");
  }

  /** Waits for the connection to be in this phase. */
  async phase(name, withinMs = ACTION_MS_MAX) {
    await this.root
      .locator(`[data-testid="badge"][data-phase="${name}"]`)
      .waitFor({ timeout: withinMs });
  }

  /** Waits for the mark on an own message. */
  async mark(text, mark) {
    await this.message(text).locator(`[data-mark="${mark}"]`).waitFor();
  }

  /** Presses the button that cuts the line, or restores it. */
  async toggleLine() {
    await this.get("cut").click();
  }

  /** The texts in the log, in order, without those that wait to be sent. */
  async texts() {
    return this.root.locator('[data-testid="message"][data-seq] .bubble').allTextContents();
  }

  async seqs() {
    const lines = this.root.locator('[data-testid="message"][data-seq]');
    return lines.evaluateAll((items) => items.map((item) => Number(item.dataset.seq)));
  }

  /** Waits until exactly these texts are there, in this order, numbered without a hole. */
  async shows(texts, withinMs = ACTION_MS_MAX) {
    await eventually(
      async () => {
        assert.deepEqual(await this.texts(), texts);
        return true;
      },
      { withinMs, what: `the log to show ${JSON.stringify(texts)}` },
    );
    assert.deepEqual(
      await this.seqs(),
      texts.map((_, place) => place + 1),
    );
  }
}

/** Opens the test page, without anybody in it. */
export async function openTestPage(page, origin, query = "?start=ask") {
  await page.goto(`${origin}/websocket-test.html${query}`);
  return { customer: new Pane(page, "customer"), agent: new Pane(page, "agent") };
}

/** Opens the test page with a customer and an agent in conversation. */
export async function openConversation(page, origin) {
  const panes = await openTestPage(page, origin);
  await panes.customer.get("start-name").fill("Demo customer");
  await panes.customer.get("start").click();
  await panes.customer.phase("connected");
  await panes.agent.get("join").click();
  await panes.agent.phase("connected");
  return panes;
}
