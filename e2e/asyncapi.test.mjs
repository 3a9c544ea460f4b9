/**
 * The hub's description: valid by AsyncAPI's own schema, and true of every sample. The JSON Schemas
 * under `docs/reference` are held to the samples that the program itself prints.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import addFormats from "ajv-formats";
import Ajv from "ajv";
import Ajv2020 from "ajv/dist/2020.js";
import { WebSocket } from "ws";
import { startServer } from "./server.mjs";

const load = createRequire(import.meta.url);
const ASYNCAPI_3 = load("@asyncapi/specs/schemas/3.0.0-without-$id.json");
const REFERENCE = new URL("../docs/reference/events.schema.json", import.meta.url);

const HEARD_MS_MAX = 10_000;

/** A validator of our schemas; a keyword or format it does not know is an error. */
function validator() {
  const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true });
  addFormats(ajv);
  return ajv;
}

/** What is wrong with a value, in a line each. */
function complaints(validate, value) {
  if (validate(value)) return [];
  return validate.errors.map(({ instancePath, message }) => `${instancePath}: ${message}`);
}

/** The document as a server answers it. */
async function described(t) {
  const { origin } = await startServer(t);
  const response = await fetch(`${origin}/asyncapi.json`);
  assert.equal(response.headers.get("content-type"), "application/json");
  return response.json();
}

/** The messages of the document, each with its key and a validator of its frames. */
function checked(components) {
  const ajv = validator();
  ajv.addVocabulary(["components"]);
  return Object.entries(components.messages).map(([key, message]) => {
    const validate = ajv.compile({ components, ...message.payload });
    return { key, validate, ...message };
  });
}

/** The fields of a frame and its payload that its schema does not name. */
function undescribed(components, { payload: schema }, frame) {
  const { payload } = schema.properties;
  const forms = (payload.anyOf ?? [payload]).map(({ $ref, ...inline }) =>
    $ref ? components.schemas[$ref.split("/").at(-1)] : inline,
  );
  const unnamed = (known, value) => Object.keys(value ?? {}).filter((key) => !(key in known));
  const ofForms = forms.map(({ properties = {} }) => unnamed(properties, frame.payload));
  return [...unnamed(schema.properties, frame), ...ofForms.sort((a, b) => a.length - b.length)[0]];
}

/** What the program prints when called with these arguments. */
function run(...args) {
  return execFileSync(process.env.SWITCHBOARD_BIN, args, { encoding: "utf8" });
}

test("the document is AsyncAPI 3", async (t) => {
  const document = await described(t);
  const ajv = new Ajv({ allErrors: true, strict: false });
  addFormats(ajv);
  const validate = ajv.compile(ASYNCAPI_3);
  assert.deepEqual(complaints(validate, document), []);
  const { action: _, ...nameless } = document.operations["hub.tell"];
  const broken = { ...document, operations: { "hub.tell": nameless } };
  assert.notDeepEqual(complaints(validate, broken), [], "a broken document is seen");
});

test("every operation names messages of its channel", async (t) => {
  const document = await described(t);
  for (const [name, { channel, messages }] of Object.entries(document.operations)) {
    assert.ok(messages.length > 5, name);
    for (const { $ref } of messages) assert.ok($ref.startsWith(`${channel.$ref}/messages/`), $ref);
  }
});

test("every example of a frame fits its schema, and no other frame's", async (t) => {
  const { components } = await described(t);
  const messages = checked(components);
  assert.ok(messages.length > 50);
  for (const { key, name, payload: schema, examples, validate } of messages) {
    assert.ok(examples.length > 0, key);
    for (const { payload } of examples) {
      assert.deepEqual(complaints(validate, payload), [], key);
      assert.deepEqual(undescribed(components, { payload: schema }, payload), [], key);
      const others = messages.filter((other) => other.name !== name);
      const takenFor = others.filter((other) => other.validate(payload));
      assert.deepEqual(takenFor.map((other) => other.key), [], key);
    }
  }
});

test("every sample of the catalogue fits the published JSON Schema", () => {
  const reference = JSON.parse(readFileSync(REFERENCE, "utf8"));
  const samples = JSON.parse(run("events", "--json"));
  const names = samples.map(({ type }) => type);
  assert.deepEqual(names.toSorted(), Object.keys(reference.events).toSorted());
  const ajv = validator();
  for (const { type, durable, roles, payload } of samples) {
    const event = reference.events[type];
    assert.deepEqual([event.durable, event.roles], [durable, roles], type);
    const validate = ajv.compile({ $defs: reference.$defs, ...event.payload });
    assert.deepEqual(complaints(validate, payload), [], type);
    const [first] = event.payload.required;
    const { [first]: _, ...without } = payload;
    assert.notDeepEqual(complaints(validate, without), [], `${type} without ${first}`);
  }
});

test("what a running hub says of all that can be posted fits its description", async (t) => {
  const server = await startServer(t);
  const { components } = await (await fetch(`${server.origin}/asyncapi.json`)).json();
  const told = checked(components).filter(({ key }) => !key.startsWith("client."));
  const reference = JSON.parse(readFileSync(REFERENCE, "utf8"));
  const me = "admin_1";
  const whose = ["--role", "admin", "--user", me, "--demo", "--data-dir", server.dataDir];
  const token = run("token", ...whose).trim();
  const console = new WebSocket(`${server.sockets}/ws?events=*`, ["bearer", token]);
  t.after(() => console.terminate());

  const producible = told.filter(({ name }) => reference.events[name]?.producible);
  const awaited = new Set(producible.map(({ name }) => name));
  const own = ["connected", "subscribed", "unsubscribed", "pong", "ack", "error", "resync"];
  for (const name of [...own, "authenticated"]) awaited.add(name);
  const frames = [];
  const heardAll = new Promise((resolve) => {
    console.on("message", (text) => {
      frames.push(JSON.parse(text));
      awaited.delete(frames.at(-1).type);
      if (awaited.size === 0) resolve();
    });
  });
  await once(console, "open");
  const say = (type, payload) => console.send(JSON.stringify({ type, payload }));
  say("subscribe", { events: ["call.*", "call.dance"], after: "Lnosuchlog-1" });
  say("unsubscribe", { events: ["presence.changed"] });
  say("ping");
  say("chat.message", { session_id: "no-such-conversation", body: "Hello", client_id: "m-1" });
  say("authenticate", { token });

  // The last example is the one that can be posted, where there are two.
  const events = producible.map(({ name, examples }) => {
    const { payload } = examples.at(-1).payload;
    // A notification is for its user alone.
    return { type: name, payload: name === "notification" ? { ...payload, user_id: me } : payload };
  });
  const response = await fetch(`${server.origin}/api/events`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ events }),
  });
  const { data } = await response.json();
  assert.deepEqual([data.accepted, data.rejected], [events.length, []]);
  await Promise.race([heardAll, delay(HEARD_MS_MAX, undefined, { ref: false })]);
  assert.deepEqual([...awaited], [], "not heard");
  for (const frame of frames) {
    const message = told.find(({ name }) => name === frame.type);
    assert.ok(message, frame.type);
    assert.deepEqual(complaints(message.validate, frame), [], JSON.stringify(frame));
    assert.deepEqual(undescribed(components, message, frame), [], JSON.stringify(frame));
  }
});
