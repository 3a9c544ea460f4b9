/** The messages of a pane, with what happened between them and what is still to be sent. */
import { useRef } from "preact/hooks";
import type { Conversation, MessageData, Notice } from "@switchboard/client/session";
import { Icon } from "../ui/icons.tsx";
import { useTexts } from "../ui/language.tsx";
import { markOf, TypingDots } from "../ui/said.tsx";
import { Message, NoticeLine, Unsent } from "./lines.tsx";
import { useEndOfList, useReadReceipts } from "./log-hooks.ts";
import type { Side } from "./saved.ts";
import { TEXTS } from "./texts.ts";
import type { Session } from "./use-session.ts";

export function Log({ side, session }: { side: Side; session: Session }) {
  const texts = useTexts(TEXTS);
  const { client, conversation, outbox } = session;
  const list = useRef<HTMLDivElement>(null);
  const { isAtEnd, onScroll, toEnd } = useEndOfList(list, conversation, outbox.length);
  useReadReceipts(list, session, isAtEnd);
  const selfId = client?.options.userId;
  const isEmpty = conversation.messages.length + outbox.length === 0;
  return (
    <div class="log-frame">
      <div
        class="log"
        ref={list}
        role="log"
        aria-label={texts.log(texts[side])}
        tabIndex={0}
        data-testid="log"
        onScroll={onScroll}
      >
        {conversation.hasMore && <OlderButton session={session} />}
        {isEmpty && <p class="muted log-empty">{texts.empty}</p>}
        <ol>
          {timeline(conversation).map((item) =>
            "seq" in item ? (
              <Message
                key={`m${item.seq}`}
                message={item}
                isOwn={item.user_id === selfId}
                mark={markOf(item.seq, conversation)}
              />
            ) : (
              <NoticeLine key={`n${item.key}`} notice={item} />
            ),
          )}
          {outbox.map((entry) => (
            <Unsent key={entry.clientId} entry={entry} session={session} />
          ))}
        </ol>
      </div>
      <TypingLine conversation={conversation} />
      {!isAtEnd && (
        <button type="button" class="button small jump" onClick={toEnd}>
          <Icon name="down" />
          {texts.jump}
        </button>
      )}
    </div>
  );
}

function TypingLine({ conversation: { typing } }: { conversation: Conversation }) {
  const texts = useTexts(TEXTS);
  const names = typing.map((typist) => typist.user_name ?? typist.user_id);
  return (
    <div class="typing" role="status">
      {names.length > 0 && (
        <span data-testid="typing">
          <TypingDots />
          {texts.typing(names.join(", "))}
        </span>
      )}
    </div>
  );
}

function OlderButton({ session: { client, conversation } }: { session: Session }) {
  const texts = useTexts(TEXTS);
  const oldest = conversation.messages[0]?.seq;
  return (
    <button
      type="button"
      class="button small quiet older"
      onClick={() => client?.history(oldest === undefined ? {} : { before: oldest })}
    >
      {texts.older}
    </button>
  );
}

/** Messages and notices in the order in which they came. */
function timeline({ messages, notices }: Conversation): (MessageData | Notice)[] {
  const items: (MessageData | Notice)[] = [];
  let next = 0;
  const takeNotices = (uptoSeq: number) => {
    while (next < notices.length && notices[next]!.afterSeq < uptoSeq) items.push(notices[next++]!);
  };
  for (const message of messages) {
    takeNotices(message.seq);
    items.push(message);
  }
  takeNotices(Infinity);
  return items;
}
