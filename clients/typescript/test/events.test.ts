/** The types of the catalogue, made from a reference: of the sample, and of odd schemas. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { typesOf } from "../build/types.mjs";

const sample = JSON.parse(readFileSync("test/fixtures/events.schema.json", "utf8"));

/** What the types say of a payload with one field `x`, whose schema is given. */
function fieldOf(schema: object, isRequired = true): string {
  const payload = {
    type: "object",
    required: isRequired ? ["x"] : [],
    properties: { x: schema },
  };
  const event = { durable: true, roles: ["agent"], description: "It.", payload };
  const text = typesOf({ $defs: { Role: { enum: ["agent"] } }, events: { it: event } });
  return text.match(/interface ItPayload \{\n([\s\S]*?)\n\}/)![1]!.replace(/^ {2}/gm, "");
}

test("every event of the reference has a name and a payload", () => {
  const text = typesOf(sample);
  const names = [...text.matchAll(/^ {2}"(.*?)": (\w+)Payload/gm)].map(([, name]) => name);
  assert.deepEqual(names, Object.keys(sample.events));
  assert.match(text, /\nexport type EventName = keyof EventPayloads;\n$/);
});

test("an event says what it is, whether it is kept, and who hears it", () => {
  assert.match(
    typesOf(sample),
    / {2}\/\*\* How busy a queue is\. Volatile; heard by agent, admin, service\. \*\/\n {2}"queue\.stats": QueueStatsPayload;/,
  );
});

test("what is announced has a shape of its own, beside the real thing", () => {
  const text = typesOf(sample);
  assert.match(text, /"chat\.message": ChatMessagePayload \| ChatMessageAnnounced;/);
  const announced = text.match(/interface AnnouncedPayloads \{\n([\s\S]*?)\n\}/)![1]!;
  assert.equal(announced.split("\n").length, 6);
});

const FIELDS: [string, object, string][] = [
  ["an integer", { type: "integer", minimum: 0, format: "int64" }, "x: number;"],
  ["null among the types", { type: ["string", "null"] }, "x: string | null;"],
  ["an enum", { type: "string", enum: ["a", 'b"', null] }, 'x: "a" | "b\\"" | null;'],
  ["a constant", { const: true }, "x: true;"],
  ["a named part", { $ref: "#/$defs/Role" }, "x: Role;"],
  [
    "a part that may be null",
    { oneOf: [{ $ref: "#/$defs/Role" }, { type: "null" }] },
    "x: Role | null;",
  ],
  ["a list", { type: "array", items: { type: ["string", "null"] } }, "x: (string | null)[];"],
  ["a list of anything", { type: "array" }, "x: unknown[];"],
  [
    "a map",
    { type: "object", additionalProperties: { type: "integer" } },
    "x: Record<string, number>;",
  ],
  ["any object", { type: "object" }, "x: Record<string, unknown>;"],
  ["anything", {}, "x: unknown;"],
  [
    "an object with more in it",
    { properties: { "a-b": { type: "null" } }, additionalProperties: true },
    'x: {\n  "a-b"?: null;\n} & Record<string, unknown>;',
  ],
  [
    "several at once",
    { allOf: [{ $ref: "#/$defs/Role" }, { enum: ["a", "b"] }] },
    'x: Role & ("a" | "b");',
  ],
  [
    "a doc comment",
    { type: "string", description: "Ends */ here." },
    "/** Ends *\\/ here. */\nx: string;",
  ],
];

for (const [what, schema, expected] of FIELDS) {
  test(`a type for ${what}`, () => assert.equal(fieldOf(schema), expected));
}

test("a field that is not required may be absent", () => {
  assert.equal(fieldOf({ type: "string" }, false), "x?: string;");
});

test("a field that may be null is explained by what it is otherwise", () => {
  const oneOf = [{ $ref: "#/$defs/Role", description: "As what." }, { type: "null" }];
  assert.equal(fieldOf({ oneOf }), "/** As what. */\nx: Role | null;");
});

test("a schema that has no type here is refused by its place", () => {
  assert.throws(() => fieldOf({ not: {} }), /^Error: it\.payload\.x: .* the keyword not$/);
  assert.throws(() => fieldOf({ type: "date" }), /it\.payload\.x: no type is known for date/);
  assert.throws(() => fieldOf({ $ref: "#/$defs/Nobody" }), /it\.payload\.x: nothing is at/);
  assert.throws(() => fieldOf({ $ref: "other.json" }), /nothing is at other\.json/);
});

test("two types of one name are refused", () => {
  const $defs = { CallHoldPayload: { type: "string" } };
  const { "call.hold": hold } = sample.events;
  assert.throws(() => typesOf({ $defs, events: { "call.hold": hold } }), /a type CallHoldPayload/);
});
