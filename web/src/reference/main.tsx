/** The API reference: this server's own `/openapi.json`, to browse, search and try. */
import "./reference.css";
import { useEffect, useMemo, useState } from "preact/hooks";
import { Icon } from "../ui/icons.tsx";
import { useTexts } from "../ui/language.tsx";
import { mount } from "../ui/shell.tsx";
import { groupsOf, matches, type Group, type OpenApi } from "./openapi.ts";
import { MethodBadge, OperationView } from "./operation-view.tsx";
import { Prose } from "./prose.tsx";
import { TEXTS } from "./texts.ts";

function Reference() {
  const texts = useTexts(TEXTS);
  const doc = useDocument();
  if (doc === undefined) return <p class="muted">{texts.loading}</p>;
  if (doc === null) {
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
  return <Contents doc={doc} />;
}

function Contents({ doc }: { doc: OpenApi }) {
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
  const count = shown.reduce((sum, group) => sum + group.operations.length, 0);
  useTargetOnce();
  return (
    <div class="reference">
      <header class="reference-head">
        <h1>{texts.heading}</h1>
        <p class="muted">
          {doc.info.title} {doc.info.version} · <a href="/openapi.json">{texts.document}</a>
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
            {count === 0 ? texts.nothing : texts.found(count)}
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
        <Index groups={shown} />
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
      </div>
    </div>
  );
}

function Index({ groups }: { groups: Group[] }) {
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
    </nav>
  );
}

function useDocument(): OpenApi | null | undefined {
  const [doc, setDoc] = useState<OpenApi | null | undefined>(undefined);
  useEffect(() => {
    fetch("/openapi.json", { headers: { accept: "application/json" } })
      .then((response) => (response.ok ? response.json() : Promise.reject(response)))
      .then(setDoc, () => setDoc(null));
  }, []);
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
