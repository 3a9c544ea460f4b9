/** The lines of the log. Every text of a message is shown as text, whatever it looks like. */
import type { Outgoing } from "@switchboard/client/session";
import { Icon } from "../ui/icons.tsx";
import { useLanguage, useTexts } from "../ui/language.tsx";
import { Failure, Foot, markOf, type Mark } from "../ui/said.tsx";
import type { WidgetConversation } from "./conversation.ts";
import type { Chat, Notice } from "./state.ts";
import { TEXTS } from "./texts.ts";
import type { MessageItem } from "./timeline.ts";

const DAY_MS = 86_400_000;

export function Message({ item, chat }: { item: MessageItem; chat: Chat }) {
  const texts = useTexts(TEXTS);
  const { message, isOwn, isFirst, isLast } = item;
  const { content, seq, timestamp, sender } = message;
  const isBot = sender.role === "bot";
  const name = isBot ? texts.assistant : sender.userName || texts.aPerson;
  const classes = ["line", isOwn && "own", isFirst && "first", isBot && "bot"];
  return (
    <li class={classes.filter(Boolean).join(" ")} data-testid="message" data-seq={seq}>
      {isFirst && (
        <span class={isOwn ? "visually-hidden" : "line-name"}>{isOwn ? texts.you : name}</span>
      )}
      {!isOwn && isLast && (
        <span class="face" aria-hidden="true">
          {isBot ? <Icon name="robot" /> : (Array.from(name)[0] ?? "?").toUpperCase()}
        </span>
      )}
      <div class="bubble">{content}</div>
      {isLast && <Foot at={timestamp} mark={isOwn ? markOf(seq, chat) : undefined} />}
    </li>
  );
}

interface UnsentProps {
  entry: Outgoing;
  conversation: WidgetConversation;
}

/** A message that has not come back from the server yet. */
export function Unsent({ entry, conversation }: UnsentProps) {
  const texts = useTexts(TEXTS);
  const { clientId, content, queuedAt, state, error } = entry;
  const mark: Mark = state === "acked" ? "sent" : state;
  return (
    <li class={`line own first ${mark}`} data-testid="message">
      <span class="visually-hidden">{texts.you}</span>
      <div class="bubble">{content}</div>
      <Foot at={queuedAt} mark={mark} />
      {state === "failed" && (
        <Failure
          error={error}
          onRetry={() => conversation.retry(clientId)}
          onDiscard={() => conversation.discard(clientId)}
        />
      )}
    </li>
  );
}

export function NoticeLine({ notice: { kind, name } }: { notice: Notice }) {
  const texts = useTexts(TEXTS);
  const words =
    kind === "assigned" ? texts.notices.assigned(name || texts.aPerson) : texts.notices[kind];
  return (
    <li class="between" data-testid="notice" data-kind={kind}>
      <span>{words}</span>
    </li>
  );
}

export function DayLine({ at }: { at: string }) {
  const texts = useTexts(TEXTS);
  const { language } = useLanguage();
  const day = new Date(at);
  const daysAgo = Math.round((startOfDay(new Date()) - startOfDay(day)) / DAY_MS);
  const words = [texts.today, texts.yesterday][daysAgo];
  return (
    <li class="between day">
      <time dateTime={day.toISOString().slice(0, 10)}>
        {words ?? day.toLocaleDateString(language, { dateStyle: "medium" })}
      </time>
    </li>
  );
}

function startOfDay(moment: Date): number {
  return new Date(moment).setHours(0, 0, 0, 0);
}
