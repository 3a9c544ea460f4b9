/** Reading an OpenAPI document: references, samples, command lines, the filter. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  addressOf,
  curlOf,
  groupsOf,
  matches,
  sampleOf,
  typeName,
  type OpenApi,
} from "../src/reference/openapi.ts";

const doc: OpenApi = {
  info: { title: "Sample", version: "1" },
  tags: [{ name: "second" }, { name: "first" }],
  security: [{ bearer: [] }],
  paths: {
    "/things/{id}": {
      parameters: [{ $ref: "#/components/parameters/Id" }],
      get: { tags: ["first"], summary: "Read a thing", security: [{ bearer: [] }, {}] },
      post: {
        tags: ["second"],
        requestBody: {
          content: { "application/json": { schema: { $ref: "#/components/schemas/Thing" } } },
        },
      },
    },
    "/plain": { get: {} },
  },
  components: {
    parameters: { Id: { name: "id", in: "path", required: true, schema: { type: "string" } } },
    schemas: {
      Base: { type: "object", required: ["id"], properties: { id: { type: "integer" } } },
      Thing: {
        allOf: [{ $ref: "#/components/schemas/Base" }],
        properties: {
          name: { type: "string", examples: ["it's"] },
          parts: { type: "array", items: { $ref: "#/components/schemas/Thing" } },
        },
      },
    },
  },
};

const groups = groupsOf(doc);
const operation = (group: string) => groups.find(({ name }) => name === group)!.operations[0]!;

test("operations are grouped by tag in the order of the document", () => {
  assert.deepEqual(
    groups.map(({ name }) => name),
    ["second", "first", "other"],
  );
  assert.deepEqual(
    operation("first").parameters.map(({ name }) => name),
    ["id"],
  );
});

test("security that may be left out leaves the operation open", () => {
  assert.equal(operation("first").isAnonymous, true);
  assert.deepEqual(operation("first").security, ["bearer"]);
  assert.equal(operation("other").isAnonymous, false);
});

test("a sample follows references and stops in a schema that contains itself", () => {
  const media = operation("second").body!.content!["application/json"]!;
  const sample = sampleOf(doc, media) as { id: number; name: string; parts: unknown[] };
  assert.equal(sample.id, 0);
  assert.equal(sample.name, "it's");
  assert.equal(sample.parts.length, 1);
  assert.deepEqual(sampleOf(doc, { example: 7 }), 7);
});

test("types have short names", () => {
  assert.equal(typeName(doc, { $ref: "#/components/schemas/Thing" }), "Thing");
  assert.equal(typeName(doc, { type: ["string", "null"] }), "string | null");
  assert.equal(typeName(doc, { type: "array", items: { type: "integer" } }), "integer[]");
  assert.equal(typeName(doc, { oneOf: [{ type: "string" }, { const: 1 }] }), "string | 1");
});

test("the command line is complete and quoted", () => {
  const line = curlOf(doc, operation("second"), "http://here", { id: "a/b" });
  assert.match(line, /^curl 'http:\/\/here\/things\/a%2Fb' -X POST/);
  assert.match(line, /-H "authorization: Bearer \$TOKEN"/);
  assert.ok(line.includes(`"name":"it'\\''s"`));
  assert.equal(addressOf(operation("first"), {}), "/things/{id}");
});

test("the filter wants every word, wherever it stands", () => {
  assert.ok(matches(operation("first"), "first", "GET thing"));
  assert.ok(matches(operation("first"), "first", ""));
  assert.ok(!matches(operation("first"), "first", "GET other"));
});
