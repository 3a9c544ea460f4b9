/**
 * Document 003's client in a real page, where the browser decides about origins and cookies: from
 * the server's own pages, from an allowed origin, and from one that is not.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch, newPage } from "./browser.mjs";
import {
  agent,
  connect,
  MODES,
  SOON_MS,
  startClosedServer,
  startConversation,
} from "./socketio.mjs";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** The client as its authors built it for browsers. */
const LIBRARY = new URL("node_modules/socket.io-client/dist/socket.io.js", import.meta.url);

const LIBRARY_PATH = "/socket.io/socket.io.js";

/** A customer's site: an empty page and a copy of the library; gone when the test `t` ends. */
async function startSite(t) {
  const library = await readFile(LIBRARY);
  const site = createServer(({ url }, response) => {
    const isLibrary = url === LIBRARY_PATH;
    const type = isLibrary ? "text/javascript" : "text/html; charset=utf-8";
    response.writeHead(200, { "content-type": type });
    response.end(isLibrary ? library : "<!doctype html><html lang=en><title>A site</title>");
  });
  site.listen(0, "127.0.0.1");
  await once(site, "listening");
  t.after(() => site.close().closeAllConnections());
  return `http://127.0.0.1:${site.address().port}`;
}

/** A page of `origin` that has loaded the library from there. */
async function openPage(t, origin) {
  const page = await newPage(t, browser);
  await page.goto(origin);
  const url = origin + LIBRARY_PATH;
  if (!(await fetch(url)).ok) {
    await page.route(url, (route) =>
      route.fulfill({ path: fileURLToPath(LIBRARY), contentType: "text/javascript" }),
    );
  }
  await page.addScriptTag({ url });
  return page;
}

/** What a page does with the library; runs in the page, so it can use nothing from here. */
async function chatInPage({ url, auth, transports, settlesOn, conversation, soonMs }) {
  const socket = globalThis.io(url, { auth, transports, forceNew: true });
  const within = (promise, what) =>
    Promise.race([
      promise,
      new Promise((_, reject) => setTimeout(() => reject(new Error(`no ${what}`)), soonMs)),
    ]);
  const next = (event, fits = () => true) =>
    within(
      new Promise((resolve) => socket.on(event, (told) => fits(told) && resolve(told))),
      event,
    );
  try {
    const heard = { authenticated: next("authenticated"), message: next("message_received") };
    const reply = next("message_received", ({ content }) => content === "hello, page");
    const refusal = new Promise((resolve) =>
      socket.on("connect_error", ({ message }) => resolve({ refused: message })),
    );
    const connected = new Promise((resolve) => socket.on("connect", () => resolve({})));
    const { refused } = await within(Promise.race([connected, refusal]), "answer");
    if (refused) return { refused };
    const { userId } = await heard.authenticated;
    const joined = await socket.timeout(soonMs).emitWithAck("join_conversation", conversation);
    const { engine } = socket.io;
    if (engine.transport.name !== settlesOn) {
      await within(new Promise((resolve) => engine.once("upgrade", resolve)), "upgrade");
    }
    const said = { conversationId: conversation, content: "hello from a page \u{1F600}" };
    const ack = await socket.timeout(soonMs).emitWithAck("send_message", said);
    const { content } = await heard.message;
    await reply;
    return { userId, joined, ack, content, transport: engine.transport.name };
  } finally {
    socket.disconnect();
  }
}

const MINE = "the server's own page";
const ALLOWED = "a page of an allowed origin";

for (const mode of MODES) {
  for (const where of [MINE, ALLOWED]) {
    test(`${mode.name}: ${where} chats`, async (t) => {
      const site = await startSite(t);
      const server = await startClosedServer(t, { WEBSOCKET_CORS_ORIGIN: site });
      const customer = await startConversation(server);
      const { conversation, sessionId } = customer;
      const answering = await connect(t, server.origin, agent());
      await answering.joins(conversation);
      const page = await openPage(t, where === MINE ? server.origin : site);
      const chatting = page.evaluate(chatInPage, {
        ...mode,
        url: server.origin,
        auth: { sessionId },
        conversation,
        soonMs: SOON_MS,
      });
      const reply = answering
        .hears("message_received")
        .then(() => answering.says(conversation, "hello, page"));
      const [told] = await Promise.all([chatting, reply]);
      const { ack, ...rest } = told;
      assert.deepEqual(rest, {
        userId: customer.userId,
        joined: { success: true, conversationId: conversation },
        content: "hello from a page \u{1F600}",
        transport: mode.settlesOn,
      });
      // 003: acceptance 175, 205, 250
      assert.deepEqual([ack.success, ack.seq], [true, 1]);
      assert.deepEqual(page.problems, []);
    });
  }

  test(`${mode.name}: a page of a foreign origin is refused, whatever it shows`, async (t) => {
    const [allowed, foreign] = [await startSite(t), await startSite(t)];
    const server = await startClosedServer(t, { WEBSOCKET_CORS_ORIGIN: allowed });
    const { conversation, sessionId } = await startConversation(server);
    const page = await openPage(t, foreign);
    const told = await page.evaluate(chatInPage, {
      ...mode,
      url: server.origin,
      auth: { sessionId },
      conversation,
      soonMs: SOON_MS,
    });
    assert.match(told.refused, /error/);
    const { websocket } = await (await fetch(`${server.origin}/health`)).json();
    assert.equal(websocket.connections, 0);
  });
}

test("without a list of origins only the server's own pages come in", async (t) => {
  const site = await startSite(t);
  const server = await startClosedServer(t);
  const { conversation, sessionId } = await startConversation(server);
  const page = await openPage(t, site);
  for (const mode of MODES) {
    const asked = {
      ...mode,
      url: server.origin,
      auth: { sessionId },
      conversation,
      soonMs: SOON_MS,
    };
    assert.match((await page.evaluate(chatInPage, asked)).refused, /error/, mode.name);
  }
});

test("a page that goes offline comes back with what it missed", async (t) => {
  const server = await startClosedServer(t);
  const { conversation, sessionId } = await startConversation(server);
  const answering = await connect(t, server.origin, agent());
  const page = await openPage(t, server.origin);
  await page.evaluate(
    async ({ auth, conversation: id }) => {
      const socket = globalThis.io({ auth, transports: ["websocket"], reconnectionDelay: 100 });
      globalThis.chat = { socket, texts: [] };
      socket.on("message_received", ({ content }) => globalThis.chat.texts.push(content));
      await new Promise((resolve) => socket.on("connect", resolve));
      await socket.emitWithAck("join_conversation", id);
    },
    { auth: { sessionId }, conversation },
  );
  await answering.says(conversation, "one");
  await page.waitForFunction(() => globalThis.chat.texts.length === 1);
  // An open WebSocket outlives being offline in Chromium; its own close is the cut.
  await page.context().setOffline(true);
  await page.evaluate(() => globalThis.chat.socket.io.engine.close());
  await page.waitForFunction(() => !globalThis.chat.socket.connected);
  await answering.says(conversation, "two");
  await answering.says(conversation, "three");
  await page.context().setOffline(false);
  await page.waitForFunction(() => globalThis.chat.texts.length >= 3);
  const { texts, recovered } = await page.evaluate(() => ({
    texts: globalThis.chat.texts,
    recovered: globalThis.chat.socket.recovered,
  }));
  assert.deepEqual(texts, ["one", "two", "three"]);
  assert.equal(recovered, true);
});
