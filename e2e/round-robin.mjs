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

  const next = () => {
    const backend = backends[balancer.turn++ % backends.length];
    balancer.passed.set(backend, (balancer.passed.get(backend) ?? 0) + 1);
    return backend;
  };

  const listener = createServer((near, answer) => {
    // What a client sends is small; kept whole, it can be sent to the next one as well.
    const chunks = [];
    near.on("data", (chunk) => chunks.push(chunk));
    near.on("end", () => pass(near, Buffer.concat(chunks), answer, backends.length));
    near.on("error", () => {});
  });

  const pass = (near, body, answer, triesLeft) => {
    const { method, url: path } = near;
    const headers = withForwarded(near);
    const { port } = next();
    const far = ask({ host: "127.0.0.1", port, method, path, headers, agent, setHost: false });
    far.on("response", (response) => {
      answer.writeHead(response.statusCode, response.statusMessage, response.rawHeaders);
      response.pipe(answer);
      response.on("error", () => answer.destroy());
    });
    far.on("error", (error) => {
      if (error.code === "ECONNREFUSED" && triesLeft > 1) pass(near, body, answer, triesLeft - 1);
      else answer.destroy();
    });
    answer.on("close", () => answer.writableFinished || far.destroy());
    far.end(body);
  };

  const upgrade = (near, line, head, triesLeft) => {
    const far = connect(next().port, "127.0.0.1");
    far.on("connect", () => {
      const headers = Object.entries(withForwarded(near)).map(([name, value]) => `${name}: ${value}`);
      far.write([`${near.method} ${near.url} HTTP/1.1`, ...headers, "", ""].join("\r\n"));
      far.write(head);
      line.pipe(far).pipe(line);
      lines.add(far);
    });
    far.on("error", (error) => {
      if (error.code === "ECONNREFUSED" && triesLeft > 1) upgrade(near, line, head, triesLeft - 1);
      else line.destroy();
    });
    far.on("close", () => lines.delete(far) && line.destroy());
    line.on("error", () => far.destroy());
    line.on("close", () => far.destroy());
  };

  listener.on("upgrade", (near, line, head) => upgrade(near, line, head, backends.length));
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
