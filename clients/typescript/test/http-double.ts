/** A local HTTP server that answers as a test says, and remembers what it was asked. */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";

export interface Asked {
  method: string;
  /** Path and query. */
  url: string;
  authorization: string | undefined;
  body: unknown;
}

export interface Answered {
  status?: number;
  body?: unknown;
  headers?: Record<string, string>;
  /** The line breaks in the middle of the answer. */
  isCut?: boolean;
}

/** `gone` is kept when whoever asks has hung up. */
export async function newHttpDouble(
  t: TestContext,
  answer: (asked: Asked, gone: Promise<unknown>) => Answered | Promise<Answered>,
) {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    const gone = once(response, "close");
    const question = await read(request);
    asked.push(question);
    const { status = 200, body = {}, headers = {}, isCut = false } = await answer(question, gone);
    response.writeHead(status, { "content-type": "application/json", ...headers });
    if (isCut) response.write("{", () => response.destroy());
    else response.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, asked };
}

async function read(request: IncomingMessage): Promise<Asked> {
  let text = "";
  for await (const part of request) text += part;
  const { method = "", url = "", headers } = request;
  const body: unknown = text ? JSON.parse(text) : undefined;
  return { method, url, authorization: headers.authorization, body };
}

/** A status as document 000 shows it. */
export function statusOf(users: Record<string, "customer" | "agent" | "admin">) {
  const count = (type: string) => Object.values(users).filter((each) => each === type).length;
  const entries = Object.entries(users).map(([user_id, user_type]) => [
    user_id,
    { user_id, user_type, joined_at: "2025-01-24T10:30:00Z" },
  ]);
  return {
    users: Object.fromEntries(entries),
    customer_connected: count("customer") > 0,
    agent_connected: count("agent") > 0,
    total_customer: count("customer"),
    total_agent: count("agent"),
  };
}
