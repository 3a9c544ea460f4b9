/**
 * Reads our own AsyncAPI 3 document: which events there are, by family, and what a listener gets.
 * The frames of the protocol itself, which tell of no event, are left to the document.
 *
 * Pure, as `openapi.ts` is, with which it shares how a schema is read.
 */
import { deref, flatten, type OpenApi, type Schema } from "./openapi.ts";

interface Message {
  name: string;
  summary?: string;
  payload: Schema;
  examples?: { payload: unknown }[];
  "x-durable"?: boolean;
  "x-heard-by"?: string[];
  "x-made-by"?: string;
  "x-source"?: string;
}

/** A payload an event may have, and a frame with one. */
export interface Form {
  schema: Schema;
  example: unknown;
}

export interface EventDescription {
  /** The element's id in the page. */
  id: string;
  name: string;
  summary: string;
  isDurable: boolean;
  heardBy: string[];
  madeBy: string;
  source: string;
  /** The event's own, and after it that of an event that is only announced. */
  forms: Form[];
}

export interface Family {
  name: string;
  events: EventDescription[];
}

/** The events by the first word of their names; schemas are read with the same document. */
export function familiesOf(doc: OpenApi): Family[] {
  const families = new Map<string, Family>();
  for (const message of Object.values(doc.components?.["messages"] ?? {}) as Message[]) {
    if (!message["x-heard-by"]) continue;
    const name = message.name.split(".")[0]!;
    const family = families.get(name) ?? { name, events: [] };
    families.set(name, family);
    family.events.push(eventOf(doc, message));
  }
  return [...families.values()];
}

function eventOf(doc: OpenApi, message: Message): EventDescription {
  const payload = flatten(doc, message.payload).properties?.["payload"] ?? true;
  const either = typeof payload === "object" ? payload.anyOf : undefined;
  const forms = (either ?? [payload]).map((schema, place) => ({
    schema,
    example: message.examples?.[place]?.payload,
  }));
  return {
    id: `event-${message.name}`,
    name: message.name,
    summary: message.summary ?? "",
    isDurable: message["x-durable"] ?? false,
    heardBy: message["x-heard-by"] ?? [],
    madeBy: message["x-made-by"] ?? "",
    source: message["x-source"] ?? "",
    forms,
  };
}

/** Whether every word of the filter occurs in what a reader would look for: fields, too. */
export function eventMatches(doc: OpenApi, event: EventDescription, filter: string): boolean {
  const { name, summary, heardBy, forms, isDurable } = event;
  const fields = forms.flatMap(({ schema }) => {
    return typeof schema === "object" ? Object.keys(deref(doc, schema).properties ?? {}) : [];
  });
  const kept = isDurable ? "durable" : "volatile";
  const text = `event ${name} ${summary} ${kept} ${heardBy.join(" ")} ${fields.join(" ")}`;
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.toLowerCase().includes(word));
}
