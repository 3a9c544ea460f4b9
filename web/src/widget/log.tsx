/** The messages, with what happened between them, who is typing, and what is still on its way. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Icon } from "../ui/icons.tsx";
import { useTexts } from "../ui/language.tsx";
import { TypingDots } from "../ui/said.tsx";
import type { Talk } from "./hooks.ts";
import { DayLine, Message, NoticeLine, Unsent } from "./lines.tsx";
import { TEXTS } from "./texts.ts";
import { timeline } from "./timeline.ts";

/** Closer to the end than this (in pixels) counts as being there. */
const END_PX = 40;

interface LogProps {
  talk: Talk;
  unread: number;
  /** Whether the newest message can be seen. */
  onEnd: (isAtEnd: boolean) => void;
}

export function Log({ talk, unread, onEnd }: LogProps) {
  const texts = useTexts(TEXTS);
  const { chat, unsent, session, conversation } = talk;
  const { list, isAtEnd, onScroll, toEnd } = useEnd(talk, onEnd);
  const selfId = session?.userId ?? "";
  return (
    <div class="log-frame">
      <div
        class="log"
        ref={list}
        role="log"
        aria-label={texts.log}
        tabIndex={0}
        data-testid="log"
        onScroll={onScroll}
      >
        {chat.hasMore && (
          <button
            type="button"
            class="button small quiet older"
            onClick={() => conversation.loadOlder()}
          >
            {texts.older}
          </button>
        )}
        <ol>
          {timeline(chat, selfId).map((item) => {
            if (item.kind === "day") return <DayLine key={item.key} at={item.at} />;
            if (item.kind === "notice") return <NoticeLine key={item.key} notice={item.notice} />;
            return <Message key={item.key} item={item} chat={chat} />;
          })}
          {unsent.map((entry) => (
            <Unsent key={entry.clientId} entry={entry} conversation={conversation} />
          ))}
        </ol>
        <TypingLine talk={talk} />
      </div>
      {!isAtEnd && (
        <button type="button" class="to-end" data-testid="to-end" onClick={toEnd}>
          <Icon name="down" />
          {unread > 0 ? texts.newest(unread) : texts.toEnd}
        </button>
      )}
    </div>
  );
}

/** Stays at the end when it was there, and keeps its place when older messages come on top. */
function useEnd({ chat, unsent }: Talk, onEnd: (isAtEnd: boolean) => void) {
  const list = useRef<HTMLDivElement>(null);
  const [isAtEnd, setAtEnd] = useState(true);
  const measured = useRef({ firstSeq: 0, height: 0, unsent: 0, isAtEnd: true });
  const firstSeq = chat.messages[0]?.seq ?? 0;
  const toEnd = () => list.current?.scrollTo({ top: list.current.scrollHeight });
  useLayoutEffect(() => {
    const box = list.current!;
    const before = measured.current;
    measured.current = { ...before, firstSeq, height: box.scrollHeight, unsent: unsent.length };
    if (before.isAtEnd || unsent.length > before.unsent) toEnd();
    else if (firstSeq < before.firstSeq) box.scrollTop += box.scrollHeight - before.height;
  }, [firstSeq, chat, unsent.length]);
  useEffect(() => {
    // A keyboard that opens or a note that appears takes height from the list.
    const observer = new ResizeObserver(() => measured.current.isAtEnd && toEnd());
    observer.observe(list.current!);
    return () => observer.disconnect();
  }, []);
  const onScroll = () => {
    const { scrollTop, scrollHeight, clientHeight } = list.current!;
    const isNear = scrollHeight - scrollTop - clientHeight < END_PX;
    measured.current.isAtEnd = isNear;
    setAtEnd(isNear);
    onEnd(isNear);
  };
  return { list, isAtEnd, onScroll, toEnd };
}

function TypingLine({ talk: { chat, isAsking } }: { talk: Talk }) {
  const texts = useTexts(TEXTS);
  const names = chat.typing.map(({ userName, role }) =>
    role === "bot" ? texts.assistant : (userName ?? texts.aPerson),
  );
  if (names.length === 0 && isAsking) names.push(texts.assistant);
  return (
    <div class="typing" role="status">
      {names.length > 0 && (
        <span class="typing-bubble" data-testid="typing">
          <TypingDots />
          <span class="visually-hidden">{texts.typing(names.join(", "))}</span>
        </span>
      )}
    </div>
  );
}
