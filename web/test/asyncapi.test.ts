/** Reading the AsyncAPI document: families of events, their payloads, the filter. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventMatches, familiesOf } from "../src/reference/asyncapi.ts";
import { type OpenApi } from "../src/reference/openapi.ts";

const frame = (payload: object) => ({ type: "object", properties: { payload } });
const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

const doc: OpenApi = {
  info: { title: "Sample", version: "1" },
  components: {
    messages: {
      "call.hold": {
        name: "call.hold",
        summary: "It was put on hold.",
        payload: frame(ref("Hold")),
        examples: [{ payload: { type: "call.hold" } }],
        "x-durable": true,
        "x-heard-by": ["agent"],
      },
      "client.ping": { name: "ping", payload: frame({ type: "object" }) },
      "call.spoken": {
        name: "call.spoken",
        payload: frame({ anyOf: [ref("Spoken"), ref("Hold")] }),
        examples: [{ payload: 1 }, { payload: 2 }],
        "x-heard-by": ["agent", "admin"],
      },
    },
    schemas: {
      Hold: { type: "object", properties: { unique_id: { type: "string" } } },
      Spoken: { type: "object", properties: { words: { type: "string" } } },
    },
  },
};

const [calls, ...others] = familiesOf(doc);
const [hold, spoken] = calls!.events;

test("events are grouped by family, and frames of the protocol are none", () => {
  assert.deepEqual(others, []);
  assert.equal(calls!.name, "call");
  assert.deepEqual(
    calls!.events.map(({ name, isDurable }) => [name, isDurable]),
    [
      ["call.hold", true],
      ["call.spoken", false],
    ],
  );
});

test("an event has a form for each payload it may have, with its own example", () => {
  assert.deepEqual(hold!.forms, [{ schema: ref("Hold"), example: { type: "call.hold" } }]);
  assert.deepEqual(
    spoken!.forms.map(({ example }) => example),
    [1, 2],
  );
});

test("the filter finds events by name, role, field and whether they are kept", () => {
  assert.ok(eventMatches(doc, hold!, "call durable"));
  assert.ok(eventMatches(doc, hold!, "UNIQUE_ID"));
  assert.ok(eventMatches(doc, hold!, ""));
  assert.ok(eventMatches(doc, spoken!, "admin words"));
  assert.ok(!eventMatches(doc, hold!, "admin"));
  assert.ok(!eventMatches(doc, hold!, "get /health"));
});
