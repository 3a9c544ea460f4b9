/**
 * Reads an OpenAPI 3.1 document: which operations there are, what a `$ref` stands for, what a
 * schema is called, an example of it, and the command that calls an operation.
 *
 * Pure; the page decides how any of it looks. Parts of OpenAPI that our own document does not use
 * are left out on purpose.
 */

export interface OpenApi {
  info: { title: string; version: string; description?: string; summary?: string };
  servers?: { url: string }[];
  tags?: { name: string; description?: string }[];
  paths?: Record<string, PathItem>;
  components?: Record<string, Record<string, unknown>>;
  security?: SecurityNeed[];
}

/** Names of security schemes, all of which are needed; an empty one means "or none at all". */
type SecurityNeed = Record<string, string[]>;

export const METHODS = ["get", "post", "put", "patch", "delete", "head", "options"] as const;
export type Method = (typeof METHODS)[number];

type PathItem = Partial<Record<Method, OperationObject>> & { parameters?: (Parameter | Ref)[] };

interface OperationObject {
  tags?: string[];
  summary?: string;
  description?: string;
  operationId?: string;
  deprecated?: boolean;
  parameters?: (Parameter | Ref)[];
  requestBody?: Body | Ref;
  responses?: Record<string, Response | Ref>;
  security?: SecurityNeed[];
}

export interface Ref {
  $ref: string;
}

export interface Parameter {
  name: string;
  in: "path" | "query" | "header" | "cookie";
  required?: boolean;
  description?: string;
  schema?: Schema;
  example?: unknown;
}

export interface Media {
  schema?: Schema;
  example?: unknown;
  examples?: Record<string, { value?: unknown }>;
}

interface Body {
  description?: string;
  required?: boolean;
  content?: Record<string, Media>;
}

interface Response {
  description?: string;
  content?: Record<string, Media>;
}

/** JSON Schema as far as it is shown; `true` allows anything. */
export type Schema = boolean | SchemaObject;

export interface SchemaObject {
  $ref?: string;
  type?: string | string[];
  format?: string;
  title?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema;
  items?: Schema;
  allOf?: Schema[];
  oneOf?: Schema[];
  anyOf?: Schema[];
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  example?: unknown;
  examples?: unknown[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  pattern?: string;
  deprecated?: boolean;
}

/** An operation with everything resolved that it shares with others. */
export interface Operation {
  id: string;
  method: Method;
  path: string;
  summary: string;
  description: string;
  isDeprecated: boolean;
  parameters: Parameter[];
  body: Body | null;
  responses: [status: string, response: Response][];
  /** The names of the security schemes, any of which lets the caller in. */
  security: string[];
  isAnonymous: boolean;
}

export interface Group {
  name: string;
  description: string;
  operations: Operation[];
}

/** The operations by tag, tags in the order of the document. */
export function groupsOf(doc: OpenApi): Group[] {
  const groups = new Map<string, Group>();
  for (const { name, description = "" } of doc.tags ?? []) {
    groups.set(name, { name, description, operations: [] });
  }
  for (const [path, item] of Object.entries(doc.paths ?? {})) {
    for (const method of METHODS) {
      const object = item[method];
      if (!object) continue;
      const name = object.tags?.[0] ?? "other";
      const group = groups.get(name) ?? { name, description: "", operations: [] };
      groups.set(name, group);
      group.operations.push(operationOf(doc, path, method, item, object));
    }
  }
  return [...groups.values()].filter((group) => group.operations.length > 0);
}

function operationOf(
  doc: OpenApi,
  path: string,
  method: Method,
  item: PathItem,
  object: OperationObject,
): Operation {
  const own = (object.parameters ?? []).map((each) => deref(doc, each));
  const shared = (item.parameters ?? [])
    .map((each) => deref(doc, each))
    .filter((each) => !own.some(({ name, in: place }) => name === each.name && place === each.in));
  const security = object.security ?? doc.security ?? [];
  return {
    id: object.operationId ?? `${method}${path}`.replace(/[^\w]+/g, "-").replace(/-$/, ""),
    method,
    path,
    summary: object.summary ?? "",
    description: object.description ?? "",
    isDeprecated: object.deprecated ?? false,
    parameters: [...shared, ...own],
    body: object.requestBody ? deref(doc, object.requestBody) : null,
    responses: Object.entries(object.responses ?? {}).map(([status, response]) => [
      status,
      deref(doc, response),
    ]),
    security: [...new Set(security.flatMap((need) => Object.keys(need)))],
    isAnonymous: security.length === 0 || security.some((need) => Object.keys(need).length === 0),
  };
}

/** Whether every word of the filter occurs in what a reader would look for. */
export function matches(operation: Operation, group: string, filter: string): boolean {
  const { method, path, summary, id } = operation;
  const text = `${group} ${method} ${path} ${summary} ${id}`.toLowerCase();
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/** Follows a `$ref` within the document; anything else is returned as it is. */
export function deref<T extends object>(doc: OpenApi, value: T | Ref): T {
  let current: unknown = value;
  // A chain of references is short; a longer one is a circle.
  for (let hops = 0; hops < 8 && isRef(current); hops += 1) {
    current = lookUp(doc, current.$ref);
  }
  return (current ?? {}) as T;
}

function isRef(value: unknown): value is Ref {
  return typeof (value as Ref | null)?.$ref === "string";
}

function lookUp(doc: OpenApi, ref: string): unknown {
  const keys = ref.replace(/^#\//, "").split("/");
  return keys
    .map((key) => decodeURIComponent(key).replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], doc);
}

/** The schema itself, with references followed and `allOf` put together. */
export function flatten(doc: OpenApi, schema: Schema | undefined): SchemaObject {
  if (schema === undefined || typeof schema === "boolean") return {};
  const own = deref<SchemaObject>(doc, schema as SchemaObject | Ref);
  if (!own.allOf) return own;
  const { allOf, ...rest } = own;
  return [...allOf.map((part) => flatten(doc, part)), rest].reduce((sum, part) => ({
    ...sum,
    ...part,
    properties: { ...sum.properties, ...part.properties },
    required: [...(sum.required ?? []), ...(part.required ?? [])],
  }));
}

/** What a schema is called in one word: the name of its reference, or its type. */
export function typeName(doc: OpenApi, schema: Schema | undefined): string {
  if (schema === undefined || typeof schema === "boolean") return "any";
  if (schema.$ref) return schema.$ref.split("/").at(-1) ?? "any";
  const flat = flatten(doc, schema);
  const options = flat.oneOf ?? flat.anyOf;
  if (options) return [...new Set(options.map((option) => typeName(doc, option)))].join(" | ");
  if (flat.const !== undefined) return JSON.stringify(flat.const);
  const types = [flat.type ?? (flat.properties ? "object" : flat.enum ? "enum" : "any")].flat();
  return types
    .map((type) => (type === "array" ? `${typeName(doc, flat.items)}[]` : type))
    .join(" | ");
}

/** Deeper examples than this help nobody, and a schema may contain itself. */
const SAMPLE_DEPTH_MAX = 6;

/** The example of a body: the author's own, or one made from its schema. */
export function sampleOf(doc: OpenApi, media: Media): unknown {
  if (media.example !== undefined) return media.example;
  const named = Object.values(media.examples ?? {})[0];
  if (named?.value !== undefined) return named.value;
  return sampleOfSchema(doc, media.schema, 0);
}

/** A value that fits a schema. */
export function sampleOfSchema(doc: OpenApi, schema: Schema | undefined, depth: number): unknown {
  const flat = flatten(doc, schema);
  const given = [flat.example, flat.examples?.[0], flat.const, flat.default, flat.enum?.[0]];
  const known = given.find((value) => value !== undefined);
  if (known !== undefined || depth > SAMPLE_DEPTH_MAX) return known ?? null;
  const option = flat.oneOf?.[0] ?? flat.anyOf?.[0];
  if (option !== undefined) return sampleOfSchema(doc, option, depth + 1);
  const type = [flat.type ?? (flat.properties ? "object" : "null")].flat()[0];
  switch (type) {
    case "object":
      return Object.fromEntries(
        Object.entries(flat.properties ?? {}).map(([name, property]) => [
          name,
          sampleOfSchema(doc, property, depth + 1),
        ]),
      );
    case "array":
      return flat.items === undefined ? [] : [sampleOfSchema(doc, flat.items, depth + 1)];
    case "string":
      return sampleOfString(flat.format);
    case "integer":
    case "number":
      return flat.minimum ?? 0;
    case "boolean":
      return true;
    default:
      return null;
  }
}

function sampleOfString(format: string | undefined): string {
  const samples: Record<string, string> = {
    uuid: "3f2b8c1e-5d4a-4c6b-9e8f-0a1b2c3d4e5f",
    "date-time": "2025-01-24T10:30:00Z",
    date: "2025-01-24",
    email: "name@example.com",
    uri: "https://example.com",
  };
  return samples[format ?? ""] ?? "string";
}

/** The values a reader has filled in, by parameter name. */
export type Filled = Record<string, string>;

/** The address of an operation; path parameters that are not filled in keep their braces. */
export function addressOf(operation: Operation, filled: Filled): string {
  const path = operation.path.replace(/\{(\w+)\}/g, (braced, name: string) =>
    filled[name] ? encodeURIComponent(filled[name]) : braced,
  );
  const query = new URLSearchParams();
  for (const { name, in: place } of operation.parameters) {
    if (place === "query" && filled[name]) query.set(name, filled[name]);
  }
  return query.size > 0 ? `${path}?${query}` : path;
}

/** The command line that calls an operation. */
export function curlOf(doc: OpenApi, operation: Operation, origin: string, filled: Filled): string {
  const lines = [`curl '${origin}${addressOf(operation, filled)}'`];
  if (operation.method !== "get") lines[0] += ` -X ${operation.method.toUpperCase()}`;
  if (!operation.isAnonymous) lines.push(`-H "authorization: Bearer $TOKEN"`);
  const [type, media] = Object.entries(operation.body?.content ?? {})[0] ?? [];
  if (type && media) {
    const sample = sampleOf(doc, media);
    const text = typeof sample === "string" ? sample : JSON.stringify(sample);
    lines.push(`-H 'content-type: ${type}'`, `-d '${text.replaceAll("'", `'\\''`)}'`);
  }
  return lines.join(" \\\n  ");
}

/** Whether the operation turns into a socket instead of answering. */
export function isUpgrade(operation: Operation): boolean {
  return operation.responses.some(([status]) => status === "101");
}
