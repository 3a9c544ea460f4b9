/**
 * A load balancer without a memory: every request, and every request that wants to become a WebSocket,
 * goes to the next of several servers, whoever sent it. It knows nothing of sessions or cookies, so
 * what works behind it needs no sticky sessions.
 */
import { once } from "node:events";
import { Agent, createServer, request as ask } from "node:http";
import { connect } from "node:net";

/**
 * A balancer before these servers (each has a `port`), gone when the test `t` ends. The list may be
 * changed while it runs; who does not answer is passed over, as health checks would have it.
 */
export async function startRoundRobin(t, servers) {
  const backends = [...servers];
  const agent = new Agent({ keepAlive: true });
  const lines = new Set();
  const balancer = { backends, passed: new Map(), turn: 0 };

  /** Everybody's turn once, from the one whose turn it is; requests in between change nothing. */
  const order = () => {
    const first = balancer.turn++ % backends.length;
    return [...backends.slice(first), ...backends.slice(0, first)];
  };
  const note = (backend) => {
    balancer.passed.set(backend, (balancer.passed.get(backend) ?? 0) + 1);
  };

  const listener = createServer((near, answer) => {
    // What a client sends is small; kept whole, it can be sent to the next one as well.
    const chunks = [];
    near.on("data", (chunk) => chunks.push(chunk));
    near.on("end", () => pass(near, Buffer.concat(chunks), answer, order()));
    near.on("error", () => {});
  });

  const pass = (near, body, answer, [backend, ...others]) => {
    const { method, url: path } = near;
    const headers = withForwarded(near);
    const { port } = backend;
    const far = ask({ host: "127.0.0.1", port, method, path, headers, agent, setHost: false });
    far.on("response", (response) => {
      note(backend);
      answer.writeHead(response.statusCode, response.statusMessage, response.rawHeaders);
      response.pipe(answer);
      response.on("error", () => answer.destroy());
    });
    far.on("error", (error) => {
      if (error.code === "ECONNREFUSED" && others.length) pass(near, body, answer, others);
      else answer.destroy();
    });
    answer.on("close", () => answer.writableFinished || far.destroy());
    far.end(body);
  };

  const upgrade = (near, line, head, [backend, ...others]) => {
    const far = connect(backend.port, "127.0.0.1");
    let isRefused = false;
    far.on("connect", () => {
      note(backend);
      const headers = Object.entries(withForwarded(near)).map(([name, value]) => `${name}: ${value}`);
      far.write([`${near.method} ${near.url} HTTP/1.1`, ...headers, "", ""].join("\r\n"));
      far.write(head);
      line.pipe(far).pipe(line);
      lines.add(far);
    });
    far.on("error", (error) => {
      isRefused = error.code === "ECONNREFUSED" && others.length > 0;
      if (isRefused) upgrade(near, line, head, others);
      else line.destroy();
    });
    far.on("close", () => {
      lines.delete(far);
      if (!isRefused) line.destroy();
    });
    line.on("error", () => far.destroy());
    line.on("close", () => far.destroy());
  };

  listener.on("upgrade", (near, line, head) => upgrade(near, line, head, order()));
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address();
  t.after(() => {
    lines.forEach((line) => line.destroy());
    agent.destroy();
    listener.close();
    listener.closeAllConnections();
  });
  const origin = `http://127.0.0.1:${port}`;
  return Object.assign(balancer, { origin, sockets: origin.replace(/^http/, "ws"), port });
}

function withForwarded({ headers, socket }) {
  const before = headers["x-forwarded-for"];
  const from = [...(before ? [before] : []), socket.remoteAddress].join(", ");
  return { ...headers, "x-forwarded-for": from };
}
