/** The widget as the visitor sees it: who answers, the messages, and the input. */
import { useState } from "preact/hooks";
import { Icon, Logo } from "../ui/icons.tsx";
import { useLanguage, useTexts, type Language } from "../ui/language.tsx";
import { isPast, momentWords } from "../ui/moments.ts";
import { Composer } from "./composer.tsx";
import { useTalk, useUnread, type Talk } from "./hooks.ts";
import { Log } from "./log.tsx";
import type { Wish } from "./saved.ts";
import type { Chat } from "./state.ts";
import { isFramed, tellPage } from "./surroundings.ts";
import { TEXTS, type WidgetTexts } from "./texts.ts";
import { Welcome } from "./welcome.tsx";

export function Widget({ wish }: { wish: Wish }) {
  const talk = useTalk(wish);
  const [isAtEnd, setAtEnd] = useState(true);
  const unread = useUnread(talk, isAtEnd);
  const isNew = talk.session === null && talk.unsent.length === 0;
  return (
    <div class="widget" data-charge={talk.chat.charge}>
      <Header talk={talk} isNew={isNew} />
      <main class="talk">
        <Notes talk={talk} />
        {isNew ? (
          <Welcome onAsk={(text) => talk.conversation.send(text)} />
        ) : (
          <Log talk={talk} unread={unread} onEnd={setAtEnd} />
        )}
        <Composer talk={talk} />
      </main>
    </div>
  );
}

function Header({ talk, isNew }: { talk: Talk; isNew: boolean }) {
  const texts = useTexts(TEXTS);
  const { language, choose } = useLanguage();
  const other = language === "en" ? "id" : "en";
  return (
    <header class="widget-head">
      <span class="widget-logo">
        <Logo />
      </span>
      <div class="widget-title">
        <h1>{texts.brand}</h1>
        <p role="status" data-testid="status">
          {isNew ? texts.botAnswers : statusWords(talk, texts, language)}
        </p>
      </div>
      <button
        type="button"
        class="head-button"
        lang={other}
        aria-label={`${other.toUpperCase()}, ${texts.language}`}
        data-testid="language"
        onClick={() => choose(other)}
      >
        {other.toUpperCase()}
      </button>
      {isFramed && (
        <button
          type="button"
          class="head-button"
          aria-label={texts.hide}
          data-testid="hide"
          onClick={() => tellPage({ type: "switchboard:hide" })}
        >
          <Icon name="close" />
        </button>
      )}
    </header>
  );
}

function statusWords({ chat, connection }: Talk, texts: WidgetTexts, language: Language): string {
  if (connection.phase === "waiting") return texts.noConnection;
  const { charge, agentName } = chat;
  if (charge === "agent") return texts.agentHere(agentName || texts.aPerson);
  return charge === "bot" ? texts.botAnswers : waitWords(chat, texts, language);
}

/** What somebody who waits for a person can expect, as far as it is known. */
function waitWords({ queue, outsideHours }: Chat, texts: WidgetTexts, language: Language): string {
  if (outsideHours && !isPast(outsideHours.opensAt)) {
    return texts.closed(momentWords(outsideHours.opensAt, language));
  }
  if (!queue || queue.position === 0) return texts.personSoon;
  const place = texts.inQueue(queue.position);
  return queue.waitSeconds === null ? place : `${place}, ${texts.wait(queue.waitSeconds)}`;
}

/** What there is to say about a connection that is not up, or a conversation that cannot begin. */
function Notes({ talk: { connection, conversation, failure } }: { talk: Talk }) {
  const texts = useTexts(TEXTS);
  const { phase, slow } = connection;
  return (
    <div class="notes" role="alert">
      {phase === "waiting" && (
        <p class="banner warn" data-testid="offline">
          <Icon name="unplug" />
          <span>{slow ? texts.slow : texts.offline}</span>
          <button type="button" class="button small" onClick={() => conversation.reconnect()}>
            {texts.tryNow}
          </button>
        </p>
      )}
      {phase === "ended" && (
        <p class="banner bad" data-testid="ended">
          <Icon name="alert" />
          <span>{texts.ended}</span>
          <button type="button" class="button small" onClick={() => conversation.startNew()}>
            {texts.startNew}
          </button>
        </p>
      )}
      {failure !== null && (
        <p class="banner bad" data-testid="failure">
          <Icon name="alert" />
          <span>{texts.failed(failure || texts.noAnswer)}</span>
        </p>
      )}
    </div>
  );
}
