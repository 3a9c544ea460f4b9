/** A schema as a tree of names, types and explanations. */
import { useTexts } from "../ui/language.tsx";
import { flatten, typeName, type OpenApi, type Schema, type SchemaObject } from "./openapi.ts";
import { Prose } from "./prose.tsx";
import { TEXTS } from "./texts.ts";

/** Deeper levels are left to the example. */
const DEPTH_MAX = 6;

interface SchemaViewProps {
  doc: OpenApi;
  schema: Schema;
  depth?: number;
}

/** What is inside a schema: its properties, those of its items, or its alternatives. */
export function SchemaView({ doc, schema, depth = 0 }: SchemaViewProps) {
  const texts = useTexts(TEXTS);
  const inner = unwrapped(doc, schema);
  const options = inner.oneOf ?? inner.anyOf;
  if (depth > DEPTH_MAX) return null;
  if (options) {
    return (
      <div class="schema-options">
        <p class="muted">{texts.oneOf}</p>
        <ul class="schema">
          {options.map((option, place) => (
            <li key={place}>
              <code class="schema-type">{typeName(doc, option)}</code>
              <SchemaView doc={doc} schema={option} depth={depth + 1} />
            </li>
          ))}
        </ul>
      </div>
    );
  }
  const properties = Object.entries(inner.properties ?? {});
  if (properties.length === 0) return depth === 0 ? <Leaf doc={doc} schema={schema} /> : null;
  return (
    <ul class="schema">
      {properties.map(([name, property]) => (
        <Property
          key={name}
          doc={doc}
          name={name}
          schema={property}
          isRequired={inner.required?.includes(name) ?? false}
          depth={depth}
        />
      ))}
    </ul>
  );
}

interface PropertyProps {
  doc: OpenApi;
  name: string;
  schema: Schema;
  isRequired: boolean;
  depth: number;
}

function Property({ doc, name, schema, isRequired, depth }: PropertyProps) {
  const texts = useTexts(TEXTS);
  const flat = flatten(doc, schema);
  return (
    <li>
      <div class="schema-line">
        <code class="schema-name">{name}</code>
        <code class="schema-type">{typeName(doc, schema)}</code>
        {isRequired && <span class="schema-required">{texts.required}</span>}
        {flat.deprecated && <span class="tag warn">{texts.deprecated}</span>}
      </div>
      <Facts schema={flat} />
      <SchemaView doc={doc} schema={schema} depth={depth + 1} />
    </li>
  );
}

function Leaf({ doc, schema }: { doc: OpenApi; schema: Schema }) {
  return (
    <div>
      <code class="schema-type">{typeName(doc, schema)}</code>
      <Facts schema={flatten(doc, schema)} />
    </div>
  );
}

/** What else is to be said about a value: its explanation, format, bounds and choices. */
export function Facts({ schema }: { schema: SchemaObject }) {
  const texts = useTexts(TEXTS);
  const bounds = [
    [schema.minimum, schema.maximum, ""],
    [schema.minLength, schema.maxLength, texts.characters],
    [schema.minItems, schema.maxItems, texts.items],
  ] as const;
  const facts = [
    schema.format,
    schema.pattern,
    ...bounds
      .filter(([low, high]) => low !== undefined || high !== undefined)
      .map(([low, high, unit]) => {
        const [from, to] = [low ?? texts.noLimit, high ?? texts.noLimit].map(String);
        return `${texts.range(from!, to!)} ${unit}`.trim();
      }),
    schema.enum &&
      `${texts.allowed}: ${schema.enum.map((value) => JSON.stringify(value)).join(", ")}`,
    schema.default !== undefined && `${texts.default}: ${JSON.stringify(schema.default)}`,
  ].filter(Boolean);
  return (
    <>
      {schema.description && <Prose text={schema.description} />}
      {facts.length > 0 && <p class="schema-facts mono">{facts.join(" · ")}</p>}
    </>
  );
}

/** The schema whose properties are worth showing: that of the items, for an array. */
function unwrapped(doc: OpenApi, schema: Schema): SchemaObject {
  const flat = flatten(doc, schema);
  if (flat.items !== undefined) return unwrapped(doc, flat.items);
  const map = flat.additionalProperties;
  const isMap = !flat.properties && typeof map === "object";
  return isMap ? { properties: { "{key}": map } } : flat;
}
