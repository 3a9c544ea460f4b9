/**
 * The API reference: this server's own `/openapi.json` and the events of its `/asyncapi.json`, to
 * browse, search and try.
 */
import "./reference.css";
import { useEffect, useMemo, useState } from "preact/hooks";
import { Icon } from "../ui/icons.tsx";
import { useTexts } from "../ui/language.tsx";
import { mount } from "../ui/shell.tsx";
import { eventMatches, familiesOf, type Family } from "./asyncapi.ts";
import { EventView, KeptBadge } from "./event-view.tsx";
import { groupsOf, matches, type Group, type OpenApi } from "./openapi.ts";
import { MethodBadge, OperationView } from "./operation-view.tsx";
import { Prose } from "./prose.tsx";
import { TEXTS } from "./texts.ts";

function Reference() {
  const texts = useTexts(TEXTS);
  const doc = useDocument("/openapi.json");
  const hub = useDocument("/asyncapi.json");
  // Both or neither, so that nothing moves under a reader's eyes.
  if (doc === undefined || hub === undefined) return <p class="muted">{texts.loading}</p>;
  if (doc === null || hub === null) {
    return (
      <>
        <h1>{texts.heading}</h1>
        <p class="banner bad" role="alert">
          <Icon name="alert" />
          {texts.failed}
        </p>
      </>
    );
  }
  return <Contents doc={doc} hub={hub} />;
}

function Contents({ doc, hub }: { doc: OpenApi; hub: OpenApi }) {
  const texts = useTexts(TEXTS);
  const [filter, setFilter] = useState("");
  const [token, setToken] = useState("");
  const groups = useMemo(() => groupsOf(doc), [doc]);
  const shown = groups
    .map((group) => ({
      ...group,
      operations: group.operations.filter((each) => matches(each, group.name, filter.trim())),
    }))
    .filter((group) => group.operations.length > 0);
  const families = useMemo(() => familiesOf(hub), [hub]);
  const heard = families
    .map((family) => ({
      ...family,
      events: family.events.filter((each) => eventMatches(hub, each, filter.trim())),
    }))
    .filter((family) => family.events.length > 0);
  const count = shown.reduce((sum, group) => sum + group.operations.length, 0);
  const eventCount = heard.reduce((sum, family) => sum + family.events.length, 0);
  useTargetOnce();
  return (
    <div class="reference">
      <header class="reference-head">
        <h1>{texts.heading}</h1>
        <p class="muted">
          {doc.info.title} {doc.info.version} · <a href="/openapi.json">{texts.document}</a> ·{" "}
          <a href="/asyncapi.json">{texts.hubDocument}</a>
        </p>
        {doc.info.description && <Prose text={doc.info.description} />}
      </header>
      <aside class="reference-side" aria-label={texts.groups}>
        <div class="field">
          <label for="reference-filter">{texts.filter}</label>
          <input
            class="input"
            id="reference-filter"
            type="search"
            placeholder={texts.filterHint}
            value={filter}
            data-testid="filter"
            onInput={(event) => setFilter(event.currentTarget.value)}
          />
          <p class="muted reference-count" role="status" data-testid="count">
            {count + eventCount === 0 ? texts.nothing : texts.found(count, eventCount)}
          </p>
        </div>
        <div class="field">
          <label for="reference-token">{texts.token}</label>
          <input
            class="input mono"
            id="reference-token"
            type="password"
            autocomplete="off"
            aria-describedby="token-hint"
            value={token}
            onInput={(event) => setToken(event.currentTarget.value.trim())}
          />
          <p class="muted reference-count" id="token-hint">
            {texts.tokenHint}
          </p>
        </div>
        <Index groups={shown} families={heard} />
      </aside>
      <div class="reference-main">
        {shown.map((group) => (
          <section key={group.name} aria-labelledby={`tag-${group.name}`}>
            <h2 id={`tag-${group.name}`}>{group.name}</h2>
            {group.description && <Prose text={group.description} />}
            <div class="operations">
              {group.operations.map((operation) => (
                <OperationView key={operation.id} {...{ doc, operation, token }} />
              ))}
            </div>
          </section>
        ))}
        {heard.length > 0 && <Events hub={hub} families={heard} />}
      </div>
    </div>
  );
}

function Events({ hub, families }: { hub: OpenApi; families: Family[] }) {
  const texts = useTexts(TEXTS);
  return (
    <section aria-labelledby="events" data-testid="events">
      <h2 id="events">{texts.events}</h2>
      <Prose text={texts.aboutEvents} />
      {families.map(({ name, events }) => (
        <div class="family" key={name}>
          <h3>{name}</h3>
          <div class="operations">
            {events.map((event) => (
              <EventView key={event.name} doc={hub} event={event} />
            ))}
          </div>
        </div>
      ))}
    </section>
  );
}

function Index({ groups, families }: { groups: Group[]; families: Family[] }) {
  const texts = useTexts(TEXTS);
  return (
    <nav class="index" aria-label={texts.groups}>
      {groups.map((group) => (
        <div key={group.name}>
          <h2 class="index-group">{group.name}</h2>
          <ul>
            {group.operations.map(({ id, method, path }) => (
              <li key={id}>
                <a href={`#${encodeURIComponent(id)}`}>
                  <MethodBadge method={method} />
                  <span>{path}</span>
                </a>
              </li>
            ))}
          </ul>
        </div>
      ))}
      {families.length > 0 && (
        <div>
          <h2 class="index-group">{texts.events}</h2>
          <ul>
            {families
              .flatMap(({ events }) => events)
              .map(({ id, name, isDurable }) => (
                <li key={id}>
                  <a href={`#${encodeURIComponent(id)}`}>
                    <KeptBadge isDurable={isDurable} />
                    <span>{name}</span>
                  </a>
                </li>
              ))}
          </ul>
        </div>
      )}
    </nav>
  );
}

/** Nothing while it is loading, null if it could not be. */
function useDocument(path: string): OpenApi | null | undefined {
  const [doc, setDoc] = useState<OpenApi | null | undefined>(undefined);
  useEffect(() => {
    fetch(path, { headers: { accept: "application/json" } })
      .then((response) => (response.ok ? response.json() : Promise.reject(response)))
      .then(setDoc, () => setDoc(null));
  }, [path]);
  return doc;
}

/** The target of the address exists only after the document has been loaded and shown. */
function useTargetOnce(): void {
  useEffect(() => {
    const id = decodeURIComponent(location.hash.slice(1));
    if (id) document.getElementById(id)?.scrollIntoView();
  }, []);
}

mount({
  name: "docs",
  title: { en: TEXTS.en.title, id: TEXTS.id.title },
  content: Reference,
});
