/** One event: a line to scan, and behind it who hears it, its fields, and a frame. */
import { useEffect, useState } from "preact/hooks";
import { CodeBlock } from "../ui/code.tsx";
import { useTexts } from "../ui/language.tsx";
import type { EventDescription } from "./asyncapi.ts";
import type { OpenApi } from "./openapi.ts";
import { SchemaView } from "./schema-view.tsx";
import { TEXTS } from "./texts.ts";

interface EventProps {
  doc: OpenApi;
  event: EventDescription;
}

export function EventView({ doc, event }: EventProps) {
  const [isOpen, setOpen] = useState(isTarget(event));
  useEffect(() => {
    const onHash = () => {
      if (isTarget(event)) setOpen(true);
    };
    addEventListener("hashchange", onHash);
    return () => removeEventListener("hashchange", onHash);
  }, [event]);
  return (
    <details
      class="card operation"
      id={event.id}
      open={isOpen}
      data-testid="event"
      onToggle={(toggled) => setOpen(toggled.currentTarget.open)}
    >
      <summary>
        <KeptBadge isDurable={event.isDurable} />
        <h4 class="operation-title">
          <code>{event.name}</code> <span class="muted">{event.summary}</span>
        </h4>
      </summary>
      {isOpen && <Details doc={doc} event={event} />}
    </details>
  );
}

export function KeptBadge({ isDurable }: { isDurable: boolean }) {
  const texts = useTexts(TEXTS);
  return (
    <span class={`method ${isDurable ? "durable" : "volatile"}`}>
      {isDurable ? texts.durable : texts.volatile}
    </span>
  );
}

function Details({ doc, event }: EventProps) {
  const texts = useTexts(TEXTS);
  const facts = [
    [texts.heardBy, event.heardBy.join(", ")],
    [texts.madeBy, event.madeBy],
    [texts.source, event.source],
  ];
  return (
    <div class="operation-body">
      <dl class="event-facts">
        {facts.map(([term, fact]) => (
          <div key={term}>
            <dt class="muted">{term}</dt>
            <dd>{fact}</dd>
          </div>
        ))}
      </dl>
      {event.forms.map(({ schema, example }, place) => (
        <section key={place}>
          <h5>{place === 0 ? texts.payload : texts.announced}</h5>
          <div class="content-columns">
            <div class="content-schema">
              <SchemaView doc={doc} schema={schema} />
            </div>
            <CodeBlock
              text={JSON.stringify(example, ["type", "payload", ...keysIn(example)], 2)}
              label={`${texts.example}, ${event.name}`}
            />
          </div>
        </section>
      ))}
    </div>
  );
}

/** Every key in a value: `JSON.stringify` writes those it is given, in that order. */
function keysIn(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [
    ...(Array.isArray(value) ? [] : [key]),
    ...keysIn(inner),
  ]);
}

function isTarget({ id }: EventDescription): boolean {
  return decodeURIComponent(location.hash.slice(1)) === id;
}
