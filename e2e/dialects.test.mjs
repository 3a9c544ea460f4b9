/** The test page with each side on a dialect of its own, in a real browser. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, newPage, openTestPage } from "./browser.mjs";
import { startServer } from "./server.mjs";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** A customer and an agent in conversation, each on the dialect named for it. */
async function conversation(t, dialects) {
  const server = await startServer(t);
  const page = await newPage(t, browser);
  const panes = await openTestPage(page, server.origin);
  const { customer, agent } = panes;
  await customer.get("dialect").selectOption(dialects.customer);
  await agent.get("dialect").selectOption(dialects.agent);
  await customer.get("start").click();
  await customer.phase("connected");
  if (dialects.agent === "session") await agent.get("join").click();
  // The demo has filled in an account: Socket.IO lets no agent in without one.
  else await agent.get("login-form").locator("button[type=submit]").click();
  await agent.phase("connected");
  return { server, page, ...panes };
}

for (const [customerDialect, agentDialect] of [
  ["socketio", "session"],
  ["session", "socketio"],
  ["polling", "socketio"],
]) {
  const dialects = { customer: customerDialect, agent: agentDialect };
  test(`a ${customerDialect} customer and a ${agentDialect} agent do all that two sides can`, async (t) => {
    const { page, customer, agent } = await conversation(t, dialects);
    await customer.send("one");
    await agent.shows(["one"]);
    await agent.send("two");
    await customer.shows(["one", "two"]);
    await customer.mark("one", "read");
    await agent.mark("two", "read");
    for (const [writer, reader] of [
      [agent, customer],
      [customer, agent],
    ]) {
      await writer.input.pressSequentially("Let me");
      await reader.get("typing").waitFor();
      await writer.input.fill("");
      await reader.get("typing").waitFor({ state: "detached" });
    }
    for (const side of [customer, agent]) {
      assert.equal(await side.get("people").getByRole("listitem").count(), 2);
    }
    const all = ["one", "two"];
    for (const [side, other] of [
      [customer, agent],
      [agent, customer],
    ]) {
      await side.toggleLine();
      await side.phase("idle");
      all.push(`missed ${all.length}`);
      await other.send(all.at(-1));
      await other.mark(all.at(-1), "sent");
      all.push(`offline ${all.length}`);
      await side.send(all.at(-1));
      await side.mark(all.at(-1), "pending");
      await side.toggleLine();
      await side.phase("connected");
      await side.shows(all);
      await other.shows(all);
    }
    await page.reload();
    await customer.phase("connected");
    await agent.phase("connected");
    await customer.shows(all);
    assert.equal(await customer.get("dialect").inputValue(), customerDialect, "it is remembered");
  });
}

test("the frames of a Socket.IO side are its packets, without the token", async (t) => {
  const { customer, agent } = await conversation(t, { customer: "session", agent: "socketio" });
  await agent.get("frames-toggle").click();
  await agent.toggleLine();
  await agent.toggleLine();
  await agent.phase("connected");
  await customer.send("seen on the wire");
  await agent.shows(["seen on the wire"]);
  const frames = await agent.get("frame").locator(".raw-text").allTextContents();
  assert.ok(
    frames.some((text) => text.startsWith('42["message_received"')),
    frames.join("\n"),
  );
  assert.ok(
    frames.some((text) => text.startsWith('40{"token":"..."')),
    frames.join("\n"),
  );
});

test("a restarted server is found again by both dialects, and nothing is lost", async (t) => {
  const { server, customer, agent } = await conversation(t, {
    customer: "socketio",
    agent: "session",
  });
  await customer.send("before the end");
  await agent.shows(["before the end"]);
  await server.stop();
  await customer.phase("waiting");
  await customer.send("written without a server");
  await server.next();
  await customer.phase("connected", 30_000);
  await agent.phase("connected", 30_000);
  await agent.shows(["before the end", "written without a server"]);
  await customer.shows(["before the end", "written without a server"]);
});
