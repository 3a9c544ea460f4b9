// @ts-check
/**
 * Turns the reference of all events, as an object, into the text of a TypeScript module.
 *
 * It knows JSON Schema as far as the reference uses it, and fails at a keyword it does not know
 * rather than describe something else. It touches no file: `events.mjs` does.
 */

/** Width of a line, as everywhere in this package. */
const WIDTH = 100;

/** Keywords that restrict values further than a TypeScript type can, or only explain them. */
const SILENT = new Set([
  ...["$id", "$schema", "$comment", "title", "description", "default", "example", "examples"],
  ...["deprecated", "readOnly", "writeOnly"],
  ...["exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"],
  ...["format", "maxLength", "minLength", "pattern", "contentEncoding", "contentMediaType"],
  ...["maxItems", "minItems", "uniqueItems", "maxProperties", "minProperties", "propertyNames"],
]);

const SPOKEN = new Set([
  ...["$ref", "type", "enum", "const", "oneOf", "anyOf", "allOf"],
  ...["properties", "required", "additionalProperties", "items"],
]);

/**
 * @typedef {{ [keyword: string]: any }} Schema
 * @typedef {{ durable: boolean, roles: string[], description: string, payload: Schema,
 *   announced?: Schema }} EventEntry
 * @typedef {{ $defs?: Record<string, Schema>, events: Record<string, EventEntry> }} Reference
 */

/**
 * The whole module.
 * @param {Reference} reference
 * @returns {string}
 */
export function typesOf({ $defs = {}, events }) {
  const writer = new Writer($defs);
  for (const [name, schema] of Object.entries($defs)) writer.declare(name, schema, `$defs.${name}`);
  const payloads = Object.entries(events).map(([name, event]) => writer.event(name, event));
  const announced = payloads.filter((each) => each.announced);
  return (
    [
      "// Written by build/events.mjs from docs/reference/events.schema.json; a change here is lost.",
      ...writer.declarations,
      block("Every event by its name, with its payload as a listener gets it.", "EventPayloads", [
        ...payloads.map(({ key, doc, heard }) => doc + `  ${key}: ${heard};`),
      ]),
      block(
        "Payloads of what a producer said of chats and agents that live elsewhere.",
        "AnnouncedPayloads",
        [...announced.map((each) => `  ${each.key}: ${each.announced};`)],
      ),
      "export type EventName = keyof EventPayloads;",
    ].join("\n\n") + "\n"
  );
}

class Writer {
  /** @type {string[]} */
  declarations = [];
  #names = new Set(["EventPayloads", "AnnouncedPayloads", "EventName"]);
  #defs;

  /** @param {Record<string, Schema>} defs */
  constructor(defs) {
    this.#defs = defs;
  }

  /**
   * @param {string} name
   * @param {EventEntry} event
   */
  event(name, event) {
    const own = pascal(name);
    const told = `${event.durable ? "Durable" : "Volatile"}; heard by ${event.roles.join(", ")}.`;
    this.declare(`${own}Payload`, event.payload, `${name}.payload`);
    const announced = event.announced && `${own}Announced`;
    if (announced) this.declare(announced, event.announced ?? {}, `${name}.announced`);
    return {
      key: JSON.stringify(name),
      doc: comment(`${event.description} ${told}`, "  "),
      heard: announced ? `${own}Payload | ${announced}` : `${own}Payload`,
      announced,
    };
  }

  /**
   * @param {string} name
   * @param {Schema} schema
   * @param {string} path
   */
  declare(name, schema, path) {
    if (this.#names.has(name)) throw new Error(`${path}: there is a type ${name} already`);
    this.#names.add(name);
    const type = this.#type(schema, path, "");
    const isShape = type.startsWith("{") && type.indexOf("\n}") === type.length - 2;
    const code = isShape ? `export interface ${name} ${type}` : `export type ${name} = ${type};`;
    this.declarations.push(comment(schema["description"], "") + code);
  }

  /**
   * @param {Schema | boolean} schema
   * @param {string} path
   * @param {string} indent
   * @returns {string}
   */
  #type(schema, path, indent) {
    if (schema === true) return "unknown";
    if (schema === false) return "never";
    const odd = Object.keys(schema).find((word) => !SILENT.has(word) && !SPOKEN.has(word));
    if (odd) throw new Error(`${path}: no type is known for the keyword ${odd}`);
    const each = (/** @type {string} */ word) =>
      schema[word].map((/** @type {Schema} */ one, /** @type {number} */ place) =>
        this.#type(one, `${path}.${word}[${place}]`, indent),
      );
    if ("$ref" in schema) return this.#named(schema["$ref"], path);
    if ("const" in schema) return JSON.stringify(schema["const"]);
    if ("enum" in schema)
      return union(schema["enum"].map((/** @type {unknown} */ one) => JSON.stringify(one)));
    if ("oneOf" in schema) return union(each("oneOf"));
    if ("anyOf" in schema) return union(each("anyOf"));
    if ("allOf" in schema) return each("allOf").map(grouped).join(" & ");
    const kinds = [schema["type"] ?? (schema["properties"] ? "object" : [])].flat();
    if (kinds.length === 0) return "unknown";
    return union(kinds.map((kind) => this.#ofKind(kind, schema, path, indent)));
  }

  /**
   * @param {string} kind
   * @param {Schema} schema
   * @param {string} path
   * @param {string} indent
   * @returns {string}
   */
  #ofKind(kind, schema, path, indent) {
    switch (kind) {
      case "string":
      case "boolean":
      case "null":
      case "number":
        return kind;
      case "integer":
        return "number";
      case "array":
        return `${grouped(this.#type(schema["items"] ?? true, `${path}[]`, indent))}[]`;
      case "object":
        return this.#object(schema, path, indent);
      default:
        throw new Error(`${path}: no type is known for ${kind}`);
    }
  }

  /**
   * @param {Schema} schema
   * @param {string} path
   * @param {string} indent
   * @returns {string}
   */
  #object({ properties, required = [], additionalProperties: others }, path, indent) {
    const inner = `${indent}  `;
    const fields = Object.entries(properties ?? {}).map(([name, schema]) => {
      const type = this.#type(schema, `${path}.${name}`, inner);
      const mark = required.includes(name) ? "" : "?";
      const key = /^[A-Za-z_]\w*$/.test(name) ? name : JSON.stringify(name);
      return `${comment(descriptionOf(schema), inner)}${inner}${key}${mark}: ${type};\n`;
    });
    const rest = others && `Record<string, ${this.#type(others, `${path}.*`, indent)}>`;
    if (fields.length === 0) return rest || "Record<string, unknown>";
    const shape = `{\n${fields.join("")}${indent}}`;
    return rest ? `${shape} & ${rest}` : shape;
  }

  /**
   * @param {string} ref
   * @param {string} path
   */
  #named(ref, path) {
    const name = ref.match(/^#\/\$defs\/(\w+)$/)?.[1];
    if (!name || !(name in this.#defs)) throw new Error(`${path}: nothing is at ${ref}`);
    return name;
  }
}

/**
 * What is said of a field; of one that may be null, what is said of what it is otherwise.
 * @param {Schema} schema
 * @returns {string | undefined}
 */
function descriptionOf({ description, oneOf, anyOf }) {
  const parts = /** @type {Schema[]} */ (oneOf ?? anyOf ?? []).filter(
    ({ type }) => type !== "null",
  );
  return description ?? (parts.length === 1 ? parts[0]?.["description"] : undefined);
}

/** @param {string[]} types */
function union(types) {
  return [...new Set(types)].join(" | ");
}

/** @param {string} type */
function grouped(type) {
  return / [|&] /.test(type) ? `(${type})` : type;
}

/** @param {string} name */
function pascal(name) {
  return name.replace(/(?:^|[._])(\w)/g, (_, letter) => letter.toUpperCase());
}

/**
 * @param {string} doc
 * @param {string} name
 * @param {string[]} lines
 */
function block(doc, name, lines) {
  return `${comment(doc, "")}export interface ${name} {\n${lines.join("\n")}\n}`;
}

/**
 * A doc comment with its line break, or nothing.
 * @param {string | undefined} text
 * @param {string} indent
 */
function comment(text, indent) {
  if (!text) return "";
  const safe = text.replaceAll("*/", "*\\/").replace(/\s+/g, " ").trim();
  const line = `${indent}/** ${safe} */`;
  if (line.length <= WIDTH) return `${line}\n`;
  const lines = wrapped(safe, WIDTH - indent.length - 3);
  return `${indent}/**\n${lines.map((each) => `${indent} * ${each}\n`).join("")}${indent} */\n`;
}

/**
 * @param {string} text
 * @param {number} width
 */
function wrapped(text, width) {
  /** @type {string[]} */
  const lines = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines.push(`${lines.pop()} ${word}`);
    else lines.push(word);
  }
  return lines;
}
