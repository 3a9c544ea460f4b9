/**
 * Several nodes on one PostgreSQL and one Redis, behind a balancer that sends every request to the
 * next one. The services are those of `scripts/with-services`; a database of each is the test's own.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { startRoundRobin } from "./round-robin.mjs";
import { startClosedServer } from "./socketio.mjs";

const run = promisify(execFile);

/** Databases of Redis from here on are taken by these tests. */
let nextRedisDb = 900;

/** Whether the services are there; where they all have to be, a missing one is a failure. */
export function hasServices() {
  const { SWITCHBOARD_TEST_POSTGRES: postgres, SWITCHBOARD_TEST_REDIS: redis } = process.env;
  const must = process.env.SWITCHBOARD_TEST_SERVICES === "all";
  assert.ok(!must || (postgres && redis), "the services are said to be there, and are not");
  return Boolean(postgres && redis);
}

/** So many nodes, and the balancer before them; all gone when the test `t` ends. */
export async function startCluster(t, count, env = {}) {
  const { SWITCHBOARD_TEST_POSTGRES: postgres, SWITCHBOARD_TEST_REDIS: redis } = process.env;
  const name = `e2e_${crypto.randomUUID().replaceAll("-", "")}`;
  const psql = (sql) => run("psql", [postgres, "--quiet", "--command", sql]);
  await psql(`CREATE DATABASE ${name}`);
  const url = new URL(postgres);
  url.pathname = `/${name}`;
  const [host, port] = redis.split(":");
  const all = {
    DATABASE_URL: url.href,
    REDIS_HOST: host,
    REDIS_PORT: port,
    REDIS_DB: String(nextRedisDb++),
    SWITCHBOARD__CLUSTER__LEASE: "2s",
    SWITCHBOARD__LIMITS__MESSAGES_PER_MINUTE: "0",
    ...env,
  };
  const nodes = [];
  for (let number = 0; number < count; number++) nodes.push(await startClosedServer(t, all));
  const balancer = await startRoundRobin(t, nodes);
  t.after(() => psql(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
  return { nodes, balancer, origin: balancer.origin, sockets: balancer.sockets };
}
