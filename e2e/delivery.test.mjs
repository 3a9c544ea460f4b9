/** How the pages travel: compressed beforehand, cached well, under a strict policy. */
import assert from "node:assert/strict";
import { request } from "node:http";
import { test } from "node:test";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { startServer } from "./server.mjs";

const PAGES = ["/", "/websocket-test.html", "/docs"];

const DECODERS = { br: brotliDecompressSync, gzip: gunzipSync, identity: (body) => body };

/** A plain GET: `fetch` would undo the compression before anybody could look at it. */
function get(url, headers = {}) {
  return new Promise((resolve, reject) => {
    const call = request(url, { headers, agent: false }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () =>
        resolve({
          status: response.statusCode,
          headers: response.headers,
          body: Buffer.concat(chunks),
        }),
      );
    });
    call.on("error", reject).end();
  });
}

/** Every script and style sheet that a page loads. */
async function assetsOf(origin, path) {
  const html = (await get(origin + path)).body.toString();
  return [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, asset]) => asset);
}

test("pages and assets come compressed when the client can, and whole when not", async (t) => {
  const { origin } = await startServer(t);
  const assets = (await Promise.all(PAGES.map((path) => assetsOf(origin, path)))).flat();
  assert.ok(assets.length >= 6, "each page loads a script and a style sheet");
  for (const path of [...PAGES, ...new Set(assets)]) {
    const plain = await get(origin + path, { "accept-encoding": "identity" });
    assert.equal(plain.status, 200, path);
    assert.equal(plain.headers["content-encoding"], undefined);
    if (plain.body.length <= 1024) continue;
    for (const encoding of ["br", "gzip"]) {
      const { headers, body } = await get(origin + path, { "accept-encoding": encoding });
      assert.equal(headers["content-encoding"], encoding, path);
      assert.match(headers.vary, /accept-encoding/i);
      assert.ok(body.length < plain.body.length);
      assert.deepEqual(DECODERS[encoding](body), plain.body);
    }
  }
});

test("the test page loads less than 45 kB of script, of which the Socket.IO client is a third", async (t) => {
  const { origin } = await startServer(t);
  const scripts = (await assetsOf(origin, "/websocket-test.html")).filter((path) =>
    path.endsWith(".js"),
  );
  let bytes = 0;
  for (const path of scripts) {
    bytes += (await get(origin + path, { "accept-encoding": "gzip" })).body.length;
  }
  assert.ok(bytes > 0 && bytes < 45_000, `${bytes} bytes`);
});

test("what the client has already is not sent again", async (t) => {
  const { origin } = await startServer(t);
  const [asset] = await assetsOf(origin, "/");
  for (const path of [...PAGES, asset, "/favicon.svg"]) {
    for (const encoding of ["br", "gzip", "identity"]) {
      const wanted = { "accept-encoding": encoding };
      const { etag } = (await get(origin + path, wanted)).headers;
      assert.ok(etag, path);
      const again = await get(origin + path, { ...wanted, "if-none-match": etag });
      assert.equal(again.status, 304, path);
      assert.equal(again.body.length, 0);
      const other = await get(origin + path, { ...wanted, "if-none-match": '"other"' });
      assert.equal(other.status, 200);
    }
  }
});

test("hashed assets are kept for ever, pages are asked about", async (t) => {
  const { origin } = await startServer(t);
  const [asset] = await assetsOf(origin, "/");
  assert.match((await get(origin + asset)).headers["cache-control"], /max-age=31536000.*immutable/);
  for (const path of PAGES) {
    assert.match((await get(origin + path)).headers["cache-control"], /no-cache/);
  }
  assert.equal((await get(`${origin}/assets/nothing.js`)).status, 404);
});

test("every page forbids what it does not need, and needs nothing inline", async (t) => {
  const { origin } = await startServer(t);
  for (const path of PAGES) {
    const { headers, body } = await get(origin + path);
    const policy = headers["content-security-policy"].split(";").map((part) => part.trim());
    for (const rule of [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "base-uri 'none'",
      "frame-ancestors 'none'",
    ]) {
      assert.ok(policy.includes(rule), `${path}: ${rule}`);
    }
    assert.doesNotMatch(headers["content-security-policy"], /unsafe|\*/);
    assert.equal(headers["x-content-type-options"], "nosniff");
    assert.match(headers["content-type"], /^text\/html; ?charset=utf-8$/i);
    const html = body.toString();
    assert.doesNotMatch(html, /<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/i);
    assert.doesNotMatch(html, /https?:\/\//, "nothing is loaded from elsewhere");
  }
});
