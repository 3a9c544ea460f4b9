/**
 * Starts the real binary on a free port of its own, in a data directory of its own, and stops it
 * again; in demo mode unless the test says otherwise. The binary is named by `SWITCHBOARD_BIN`.
 *
 * It knows nothing of browsers or frames.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const START_MS_MAX = 20_000;
const STOP_MS_MAX = 15_000;

/** A new data directory, gone when the test `t` ends. */
export async function newDataDir(t) {
  const dir = await mkdtemp(join(tmpdir(), "switchboard-e2e-"));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/**
 * A running server, stopped when the test `t` ends unless it has been stopped before.
 * `port` and `dataDir` of an earlier server make this one its successor.
 */
export async function startServer(t, { port = 0, dataDir, env = {}, demo = true } = {}) {
  const bin = process.env.SWITCHBOARD_BIN;
  assert.ok(bin, "SWITCHBOARD_BIN must name the binary under test");
  const dir = dataDir ?? (await newDataDir(t));
  const args = ["serve", "--listen", `127.0.0.1:${port}`, "--data-dir", dir];
  if (demo) args.push("--demo");
  const child = spawn(bin, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = collectOutput(child);
  const exited = once(child, "exit").then(([code, signal]) => ({ code, signal }));
  const origin = await Promise.race([addressIn(child, output), tooLate(child, exited, output)]);

  const end = async (signal) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
    const how = await exited;
    clearTimeout(timer);
    return how;
  };
  const server = {
    origin,
    sockets: origin.replace(/^http/, "ws"),
    port: Number(new URL(origin).port),
    dataDir: dir,
    output,
    /** Asks the server to end, and insists that it does so in good order. */
    async stop() {
      assert.deepEqual(await end("SIGTERM"), { code: 0, signal: null }, output.text);
    },
    /** Takes the server away without a word. */
    async kill() {
      await end("SIGKILL");
    },
    /** The next server on the same port with the same data, with these options changed. */
    next: (changed = {}) =>
      startServer(t, { port: server.port, dataDir: dir, env: { ...env, ...changed }, demo }),
  };
  t.after(async () => {
    if (child.exitCode === null && child.signalCode === null) await server.stop();
  });
  return server;
}

function collectOutput(child) {
  const output = { text: "" };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      output.text += text;
    });
  }
  return output;
}

/** The address in the line `listening on http://127.0.0.1:PORT`. */
async function addressIn(child, output) {
  for (;;) {
    const address = addressOf(output);
    if (address) return address;
    await Promise.race([once(child.stdout, "data"), once(child.stderr, "data")]);
  }
}

const addressOf = ({ text }) => text.match(/listening on (https?:\/\/[^\s/]+)/)?.[1];

async function tooLate(child, exited, output) {
  const how = await Promise.race([exited, pause(START_MS_MAX).then(() => "still starting")]);
  // It runs on beside a server that did start, and must not end that one.
  if (addressOf(output)) return;
  child.kill("SIGKILL");
  throw new Error(`the server did not start: ${JSON.stringify(how)}\n${output.text}`);
}

export function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}

/** Waits until `check` returns something true; fails with its last answer or error. */
export async function eventually(check, { withinMs = 10_000, what = "it to happen" } = {}) {
  const deadline = Date.now() + withinMs;
  let last;
  for (;;) {
    try {
      last = await check();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) {
      throw new Error(`waited ${withinMs} ms for ${what}`, { cause: last });
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
