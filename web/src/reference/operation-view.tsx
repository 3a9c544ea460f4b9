/** One operation: a line to scan, and behind it everything there is to know. */
import { useEffect, useState } from "preact/hooks";
import { CodeBlock } from "../ui/code.tsx";
import { useTexts } from "../ui/language.tsx";
import {
  curlOf,
  flatten,
  isUpgrade,
  sampleOf,
  typeName,
  type Filled,
  type Media,
  type OpenApi,
  type Operation,
  type Parameter,
} from "./openapi.ts";
import { Prose } from "./prose.tsx";
import { Facts, SchemaView } from "./schema-view.tsx";
import { TEXTS } from "./texts.ts";
import { TryIt } from "./try-it.tsx";

interface OperationProps {
  doc: OpenApi;
  operation: Operation;
  token: string;
}

export function OperationView({ doc, operation, token }: OperationProps) {
  const texts = useTexts(TEXTS);
  const [isOpen, setOpen] = useState(isTarget(operation));
  useEffect(() => {
    const onHash = () => {
      if (isTarget(operation)) setOpen(true);
    };
    addEventListener("hashchange", onHash);
    return () => removeEventListener("hashchange", onHash);
  }, [operation]);
  const { id, method, path, summary, isDeprecated } = operation;
  return (
    <details
      class="card operation"
      id={id}
      open={isOpen}
      data-testid="operation"
      onToggle={(event) => setOpen(event.currentTarget.open)}
    >
      <summary>
        <MethodBadge method={method} />
        <h3 class="operation-title">
          <code>{path}</code> <span class="muted">{summary}</span>
        </h3>
        {isDeprecated && <span class="tag warn">{texts.deprecated}</span>}
      </summary>
      {isOpen && <Details doc={doc} operation={operation} token={token} />}
    </details>
  );
}

export function MethodBadge({ method }: { method: string }) {
  return <span class={`method ${method}`}>{method.toUpperCase()}</span>;
}

function Details({ doc, operation, token }: OperationProps) {
  const texts = useTexts(TEXTS);
  const [filled, setFilled] = useState<Filled>(() => examplesOf(operation));
  const fill = (name: string, value: string) => setFilled((old) => ({ ...old, [name]: value }));
  const { body, parameters, responses, description, security, isAnonymous } = operation;
  const canTry = operation.method === "get" && !isUpgrade(operation);
  return (
    <div class="operation-body">
      {description && <Prose text={description} />}
      {security.length > 0 && (
        <p class="muted">
          {texts.needs(security.join(" / "))} {isAnonymous && texts.orNothing}
        </p>
      )}
      {parameters.length > 0 && (
        <section>
          <h4>{texts.parameters}</h4>
          <ul class="schema">
            {parameters.map((parameter) => (
              <ParameterLine key={`${parameter.in}-${parameter.name}`} {...{ doc, parameter }} />
            ))}
          </ul>
        </section>
      )}
      {body && (
        <section>
          <h4>{texts.request}</h4>
          {body.description && <Prose text={body.description} />}
          <Content doc={doc} content={body.content} label={texts.request} />
        </section>
      )}
      <section>
        <h4>{texts.responses}</h4>
        {responses.map(([status, response]) => (
          <details class="response" key={status}>
            <summary>
              <span class={`tag ${toneOf(status)}`}>{status}</span>
              <span>{response.description}</span>
            </summary>
            <Content doc={doc} content={response.content} label={`${texts.responses} ${status}`} />
          </details>
        ))}
      </section>
      <section>
        <h4>{texts.command}</h4>
        <CodeBlock text={curlOf(doc, operation, location.origin, filled)} label={texts.command} />
      </section>
      {canTry && (
        <section>
          <h4>{texts.tryIt}</h4>
          <TryIt operation={operation} token={token} filled={filled} onFill={fill} />
        </section>
      )}
    </div>
  );
}

function ParameterLine({ doc, parameter }: { doc: OpenApi; parameter: Parameter }) {
  const texts = useTexts(TEXTS);
  const { name, in: place, required, description, schema } = parameter;
  return (
    <li>
      <div class="schema-line">
        <code class="schema-name">{name}</code>
        <code class="schema-type">{typeName(doc, schema)}</code>
        <span class="muted">{place}</span>
        {required && <span class="schema-required">{texts.required}</span>}
      </div>
      {description && <Prose text={description} />}
      {schema !== undefined && <Facts schema={flatten(doc, schema)} />}
    </li>
  );
}

interface ContentProps {
  doc: OpenApi;
  content: Record<string, Media> | undefined;
  label: string;
}

function Content({ doc, content, label }: ContentProps) {
  const texts = useTexts(TEXTS);
  const entries = Object.entries(content ?? {});
  if (entries.length === 0) return <p class="muted">{texts.noBody}</p>;
  return (
    <>
      {entries.map(([type, media]) => (
        <div class="content" key={type}>
          <p class="muted mono">{type}</p>
          <div class="content-columns">
            {media.schema !== undefined && (
              <div class="content-schema">
                <SchemaView doc={doc} schema={media.schema} />
              </div>
            )}
            <CodeBlock text={textOf(sampleOf(doc, media))} label={`${texts.example}, ${label}`} />
          </div>
        </div>
      ))}
    </>
  );
}

function textOf(sample: unknown): string {
  return typeof sample === "string" ? sample : JSON.stringify(sample, null, 2);
}

function isTarget({ id }: Operation): boolean {
  return decodeURIComponent(location.hash.slice(1)) === id;
}

function toneOf(status: string): string {
  if (/^[123]/.test(status)) return "good";
  return status.startsWith("4") ? "warn" : "bad";
}

function examplesOf({ parameters }: Operation): Filled {
  const given = parameters.filter(({ example }) => example !== undefined);
  return Object.fromEntries(given.map(({ name, example }) => [name, String(example)]));
}
