/**
 * The frame of every page: skip link, header with navigation and language, footer. A page is
 * started by `mount`; it brings its own content and its title in both languages.
 */
import "./base.css";
import { render, type ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { Logo } from "./icons.tsx";
import { LanguageProvider, useLanguage, useTexts, type Language, type Texts } from "./language.tsx";

export type PageName = "home" | "test" | "docs";

const PAGES: { name: PageName; href: string }[] = [
  { name: "home", href: "/" },
  { name: "test", href: "/websocket-test.html" },
  { name: "docs", href: "/docs" },
];

const TEXTS = {
  en: {
    skip: "Skip to content",
    pages: "Pages",
    language: "Language",
    home: "Overview",
    test: "Test page",
    docs: "API reference",
    tagline: "Switchboard, the real-time layer of a contact centre",
    health: "Health",
    metrics: "Metrics",
  },
  id: {
    skip: "Langsung ke isi",
    pages: "Halaman",
    language: "Bahasa",
    home: "Ringkasan",
    test: "Halaman uji",
    docs: "Referensi API",
    tagline: "Switchboard, lapisan real-time untuk pusat kontak",
    health: "Kesehatan",
    metrics: "Metrik",
  },
};

const LANGUAGES: { code: Language; name: string }[] = [
  { code: "en", name: "English" },
  { code: "id", name: "Bahasa Indonesia" },
];

interface Page {
  name: PageName;
  title: Texts<string>;
  content: () => ComponentChildren;
}

/** Shows a page in the document's `#app`. */
export function mount(page: Page): void {
  const root = document.getElementById("app");
  if (!root) throw new Error("the document has no #app");
  render(
    <LanguageProvider>
      <Shell page={page} />
    </LanguageProvider>,
    root,
  );
}

function Shell({ page }: { page: Page }) {
  const texts = useTexts(TEXTS);
  const title = useTexts(page.title);
  const Content = page.content;
  useEffect(() => {
    document.title = title;
  }, [title]);
  return (
    <div class={`site site-${page.name}`}>
      <a class="skip-link" href="#main">
        {texts.skip}
      </a>
      <Header current={page.name} />
      <main class={`page page-${page.name}`} id="main" tabIndex={-1}>
        <Content />
      </main>
      <footer class="bottom">
        <div class="bottom-inner">
          <p>{texts.tagline}</p>
          <a href="/openapi.json">OpenAPI</a>
          <a href="/asyncapi.json">AsyncAPI</a>
          <a href="/metrics">{texts.metrics}</a>
          <a href="/health">{texts.health}</a>
        </div>
      </footer>
    </div>
  );
}

function Header({ current }: { current: PageName }) {
  const texts = useTexts(TEXTS);
  return (
    <header class="top">
      <div class="top-inner">
        <a class="brand" href="/">
          <Logo />
          Switchboard
        </a>
        <nav class="nav" aria-label={texts.pages}>
          {PAGES.map(({ name, href }) => (
            <a key={name} href={href} aria-current={name === current ? "page" : undefined}>
              {texts[name]}
            </a>
          ))}
        </nav>
        <LanguageSwitch label={texts.language} />
      </div>
    </header>
  );
}

function LanguageSwitch({ label }: { label: string }) {
  const { language, choose } = useLanguage();
  return (
    <div class="languages" role="group" aria-label={label}>
      {LANGUAGES.map(({ code, name }) => (
        <button
          key={code}
          type="button"
          lang={code}
          aria-label={`${code.toUpperCase()}, ${name}`}
          aria-pressed={code === language}
          data-testid={`language-${code}`}
          onClick={() => choose(code)}
        >
          {code.toUpperCase()}
        </button>
      ))}
    </div>
  );
}
