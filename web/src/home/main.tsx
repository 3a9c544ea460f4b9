/** The start page: what this server offers, how it is doing, and how to begin. */
import "./home.css";
import type { About, Health } from "@switchboard/client/rest";
import { CodeBlock } from "../ui/code.tsx";
import { Icon, type IconName } from "../ui/icons.tsx";
import { useLanguage, useTexts } from "../ui/language.tsx";
import { mount } from "../ui/shell.tsx";
import { Board } from "./board.tsx";
import { formatUptime, readPart, useAbout, useHealth, type Answer, type Tone } from "./server.ts";
import { TEXTS } from "./texts.ts";

function Home() {
  const about = useAbout();
  const health = useHealth();
  return (
    <>
      <Hero about={about} health={health} />
      <Now health={health} />
      <Dialects about={about} />
      <FirstChat isOpen={about?.open_sessions ?? false} />
      <Links />
    </>
  );
}

function Hero({ about, health }: { about: Answer<About>; health: Answer<Health> }) {
  const texts = useTexts(TEXTS);
  const version = about?.version ?? health?.version;
  return (
    <section class="hero">
      <div class="hero-words">
        <div class="hero-tags">
          <StatusTag health={health} />
          {version && (
            <span class="tag" data-testid="version">
              {about?.name ?? "switchboard"} {version}
            </span>
          )}
          {about?.demo && <span class="tag warn">{texts.demo}</span>}
        </div>
        <h1>{texts.headline}</h1>
        <p class="hero-intro">{texts.intro}</p>
        <div class="hero-actions">
          <a class="button primary" href="/websocket-test.html">
            <Icon name="chat" />
            {texts.openTest}
          </a>
          <a class="button" href="/docs">
            <Icon name="book" />
            {texts.openDocs}
          </a>
        </div>
      </div>
      <Board connections={health?.websocket?.connections ?? 0} />
    </section>
  );
}

function StatusTag({ health }: { health: Answer<Health> }) {
  const texts = useTexts(TEXTS);
  const { tone, word } = overall(health, texts);
  return (
    <span class={`tag ${tone}`} role="status" data-testid="overall-status">
      <span class="dot" />
      {word}
    </span>
  );
}

function overall(
  health: Answer<Health>,
  texts: (typeof TEXTS)["en"],
): { tone: Tone; word: string } {
  if (health === undefined) return { tone: "neutral", word: texts.statusUnknown };
  if (health === null) return { tone: "bad", word: texts.statusUnreachable };
  if (health.status === "healthy") return { tone: "good", word: texts.statusHealthy };
  return { tone: "warn", word: texts.statusDegraded };
}

function Now({ health }: { health: Answer<Health> }) {
  const texts = useTexts(TEXTS);
  const { language } = useLanguage();
  return (
    <section class="block" aria-labelledby="now">
      <div class="block-head">
        <h2 id="now">{texts.now}</h2>
        <p class="muted">
          {texts.nowLead} <a href="/health">/health</a>
        </p>
      </div>
      <dl class="card figures">
        <Figure name={texts.connections} testId="connections">
          {health?.websocket?.connections.toLocaleString(language)}
        </Figure>
        <Figure name={texts.uptime} testId="uptime">
          {health && formatUptime(health.uptime_seconds, language)}
        </Figure>
        <Part name={texts.sockets} health={health} part={health?.websocket} />
        <Part name={texts.store} health={health} part={health?.store} />
        <Part name={texts.redis} health={health} part={health?.redis} />
        <Part name={texts.kafka} health={health} part={health?.kafka} />
      </dl>
    </section>
  );
}

interface FigureProps {
  name: string;
  testId: string;
  children: string | null | undefined;
}

function Figure({ name, testId, children }: FigureProps) {
  return (
    <div class="figure">
      <dt>{name}</dt>
      <dd class="figure-number" data-testid={testId}>
        {children ?? "–"}
      </dd>
    </div>
  );
}

interface PartProps {
  name: string;
  health: Answer<Health>;
  part: Parameters<typeof readPart>[0];
}

function Part({ name, health, part }: PartProps) {
  const texts = useTexts(TEXTS);
  const { word, tone } = readPart(health ? part : undefined);
  return (
    <div class="figure">
      <dt>{name}</dt>
      <dd>
        <span class={`tag ${tone}`}>
          <span class="dot" />
          {tone === "good" ? texts.fine : word === "off" ? texts.off : (word ?? texts.unknownState)}
        </span>
      </dd>
    </div>
  );
}

function Dialects({ about }: { about: Answer<About> }) {
  const texts = useTexts(TEXTS);
  return (
    <section class="block" aria-labelledby="runs">
      <div class="block-head">
        <h2 id="runs">{texts.runs}</h2>
        <p class="muted">{texts.runsLead}</p>
      </div>
      {about === null && <p class="banner">{texts.noAbout}</p>}
      <ul class="card dialects" data-testid="dialects">
        {about?.dialects?.map(({ name, path }) => (
          <li class="dialect" key={name}>
            <div>
              <h3>{texts.dialects[name]?.title ?? name}</h3>
              <p class="muted">{texts.dialects[name]?.text ?? texts.otherDialect}</p>
            </div>
            <code>{path}</code>
            {name === "session" && (
              <p class="dialect-tags">
                <span class={about.open_sessions ? "tag warn" : "tag"}>
                  {about.open_sessions ? texts.openSessions : texts.closedSessions}
                </span>
                <span class="tag">{texts.heartbeat(about.heartbeat_interval)}</span>
              </p>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

function FirstChat({ isOpen }: { isOpen: boolean }) {
  const texts = useTexts(TEXTS);
  const { origin } = location;
  const sockets = origin.replace(/^http/, "ws");
  const login = `curl -s ${origin}/api/auth/login \\
  -H 'content-type: application/json' \\
  -d '{"email":"EMAIL","password":"PASSWORD"}'
websocat '${sockets}/ws/SESSION_ID/AGENT_ID/agent?token=TOKEN'`;
  const steps = [
    {
      title: texts.stepStart,
      text: texts.stepStartText,
      code: `curl -s ${origin}/api/sessions \\
  -H 'content-type: application/json' \\
  -d '{"name":"Demo customer"}'`,
    },
    {
      title: texts.stepConnect,
      text: texts.stepConnectText,
      code: `websocat '${sockets}/ws/SESSION_ID/USER_ID/customer?token=TOKEN'
{"type":"message","data":{"content":"Hello!"}}`,
    },
    {
      title: texts.stepAnswer,
      text: isOpen ? texts.stepAnswerOpen : texts.stepAnswerClosed,
      code: isOpen ? `${origin}/websocket-test.html?session=SESSION_ID` : login,
    },
  ];
  return (
    <section class="block" aria-labelledby="first">
      <div class="block-head">
        <h2 id="first">{texts.first}</h2>
        <p class="muted">
          {texts.firstLead} <a href="/websocket-test.html">{texts.testPage}</a>.
        </p>
      </div>
      <ol class="steps">
        {steps.map(({ title, text, code }) => (
          <li class="card step" key={title}>
            <div>
              <h3>{title}</h3>
              <p class="muted">{text}</p>
            </div>
            <CodeBlock text={code} label={texts.code(title)} />
          </li>
        ))}
      </ol>
    </section>
  );
}

type LinkName = keyof (typeof TEXTS)["en"]["links"];

const LINKS: { name: LinkName; href: string; icon: IconName }[] = [
  { name: "test", href: "/websocket-test.html", icon: "chat" },
  { name: "docs", href: "/docs", icon: "book" },
  { name: "openapi", href: "/openapi.json", icon: "braces" },
  { name: "asyncapi", href: "/asyncapi.json", icon: "braces" },
  { name: "metrics", href: "/metrics", icon: "chart" },
  { name: "health", href: "/health", icon: "pulse" },
];

function Links() {
  const texts = useTexts(TEXTS);
  return (
    <section class="block" aria-labelledby="more">
      <h2 id="more">{texts.more}</h2>
      <ul class="links">
        {LINKS.map(({ name, href, icon }) => (
          <li key={name}>
            <a class="card link" href={href}>
              <span class="link-icon">
                <Icon name={icon} />
              </span>
              <span>
                <strong>{texts.links[name].title}</strong>
                <span class="muted">{texts.links[name].text}</span>
              </span>
              <Icon name="arrow" />
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}

mount({
  name: "home",
  title: { en: TEXTS.en.title, id: TEXTS.id.title },
  content: Home,
});
