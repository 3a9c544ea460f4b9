/**
 * How connections end, and how an unmodified client comes back by itself: with the settings of
 * document 003's example, against a server that restarts.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { connect, MODES, POLLING, Peer, startClosedServer, startConversation } from "./socketio.mjs";

test("a drain does not wait for a long-polling client that is between two polls", async (t) => {
  const server = await startClosedServer(t);
  const { sessionId } = await startConversation(server);
  const url = `${server.origin}/socket.io/?EIO=4&transport=polling`;
  const opened = await (await fetch(url)).text();
  const { sid } = JSON.parse(opened.slice(1));
  const body = `40${JSON.stringify({ sessionId })}`;
  const entered = await fetch(`${url}&sid=${sid}`, { method: "POST", body });
  assert.equal(await entered.text(), "ok");
  assert.match(await (await fetch(`${url}&sid=${sid}`)).text(), /^40\{.*authenticated/);
  const startedAt = Date.now();
  await server.stop();
  const tookMs = Date.now() - startedAt;
  assert.doesNotMatch(server.output.text, /the drain took too long/);
  assert.ok(tookMs < 3000, `the drain took ${tookMs} ms`);
});
