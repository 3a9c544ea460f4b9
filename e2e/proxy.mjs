/**
 * A line between a client and the server that can be cut as real ones are: without a close frame.
 * It passes bytes on and knows no protocol.
 */
import { once } from "node:events";
import { connect, createServer } from "node:net";

/** A proxy before `server`, gone when the test `t` ends. */
export async function startProxy(t, server) {
  const lines = new Set();
  const state = { isOpen: true, isDeafUp: false, isDeafDown: false };
  const listener = createServer((near) => {
    if (!state.isOpen) return near.destroy();
    const far = connect(server.port, "127.0.0.1");
    const line = { near, far };
    lines.add(line);
    near.on("data", (bytes) => state.isDeafUp || far.write(bytes));
    far.on("data", (bytes) => state.isDeafDown || near.write(bytes));
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      from.on("error", () => {});
      // On a dead line the end of one side does not reach the other either.
      from.on("close", () => lines.has(line) && !state.isDeafDown && to.destroy());
    }
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const proxy = {
    origin: `http://127.0.0.1:${listener.address().port}`,
    /** Breaks every line on both sides, and lets nobody through until `open`. */
    cut() {
      state.isOpen = false;
      for (const line of lines) {
        lines.delete(line);
        line.near.destroy();
        line.far.destroy();
      }
    },
    /** Breaks the clients' side only: the server goes on writing to lines that lead nowhere. */
    cutNear() {
      state.isOpen = false;
      for (const line of lines) {
        lines.delete(line);
        line.near.destroy();
        line.far.resume();
        t.after(() => line.far.destroy());
      }
    },
    /** Loses every byte from now on, and breaks nothing. */
    stall() {
      Object.assign(state, { isDeafUp: true, isDeafDown: true });
    },
    /** Loses what the server says; what the client says arrives. */
    stallDown() {
      state.isDeafDown = true;
    },
    /** Lets clients through. */
    open() {
      Object.assign(state, { isOpen: true, isDeafUp: false, isDeafDown: false });
    },
  };
  t.after(() => {
    proxy.cut();
    listener.close();
  });
  return proxy;
}
