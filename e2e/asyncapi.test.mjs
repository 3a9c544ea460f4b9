/**
 * The hub's description: valid by AsyncAPI's own schema, and true of every sample. The JSON Schemas
 * under `docs/reference` are held to the samples that the program itself prints.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import addFormats from "ajv-formats";
import Ajv from "ajv";
import Ajv2020 from "ajv/dist/2020.js";
import { startServer } from "./server.mjs";

const load = createRequire(import.meta.url);
const ASYNCAPI_3 = load("@asyncapi/specs/schemas/3.0.0-without-$id.json");
const REFERENCE = new URL("../docs/reference/events.schema.json", import.meta.url);

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
  const ajv = validator();
  ajv.addVocabulary(["components"]);
  const messages = Object.entries(components.messages).map(([key, message]) => {
    const validate = ajv.compile({ components, ...message.payload });
    return { key, validate, ...message };
  });
  assert.ok(messages.length > 50);
  for (const { key, name, examples, validate } of messages) {
    assert.ok(examples.length > 0, key);
    for (const { payload } of examples) {
      assert.deepEqual(complaints(validate, payload), [], key);
      const others = messages.filter((other) => other.name !== name);
      const takenFor = others.filter((other) => other.validate(payload));
      assert.deepEqual(takenFor.map((other) => other.key), [], key);
    }
  }
});

test("every sample of the catalogue fits the published JSON Schema", () => {
  const reference = JSON.parse(readFileSync(REFERENCE, "utf8"));
  const samples = JSON.parse(execFileSync(process.env.SWITCHBOARD_BIN, ["events", "--json"]));
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
