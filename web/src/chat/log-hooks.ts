/** How the log scrolls, and when what it shows counts as read. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Conversation } from "@switchboard/client/session";
import type { Session } from "./use-session.ts";

/** Closer to the end than this (in pixels) counts as being there. */
const END_PX = 48;

interface ListRef {
  current: HTMLDivElement | null;
}

/** Stays at the end when it was there, and keeps its place when older messages come on top. */
export function useEndOfList(list: ListRef, { messages }: Conversation, unsent: number) {
  const [isAtEnd, setAtEnd] = useState(true);
  const wasAtEnd = useRef(true);
  const lastTop = useRef(0);
  const measured = useRef({ firstSeq: 0, height: 0, unsent: 0 });
  const toEnd = () => list.current?.scrollTo({ top: list.current.scrollHeight });
  const firstSeq = messages[0]?.seq ?? 0;
  useLayoutEffect(() => {
    const box = list.current!;
    const before = measured.current;
    measured.current = { firstSeq, height: box.scrollHeight, unsent };
    if (unsent > before.unsent) toEnd();
    else if (firstSeq < before.firstSeq && !wasAtEnd.current) {
      box.scrollTop += box.scrollHeight - before.height;
    }
  }, [firstSeq, messages.length, unsent]);
  useEffect(() => {
    // Whatever makes the list or its frame grow: a message, a mark, a panel that opens.
    const observer = new ResizeObserver(() => wasAtEnd.current && toEnd());
    for (const element of [list.current!, list.current!.lastElementChild!]) {
      observer.observe(element);
    }
    return () => observer.disconnect();
  }, []);
  const onScroll = () => {
    const { scrollTop, scrollHeight, clientHeight } = list.current!;
    const isNear = scrollHeight - scrollTop - clientHeight < END_PX;
    // Only going up is leaving the end; a distance alone may be a line that has just been added.
    if (isNear || scrollTop < lastTop.current) wasAtEnd.current = isNear;
    lastTop.current = scrollTop;
    setAtEnd(wasAtEnd.current);
  };
  return { isAtEnd, onScroll, toEnd };
}

/** Tells the others what has been read: what stands at the end of a list that can be seen. */
export function useReadReceipts(
  list: ListRef,
  { client, conversation, link }: Session,
  isAtEnd: boolean,
): void {
  const isVisible = useVisible(list);
  const lastOfOthers = conversation.messages.findLast(
    (message) => message.user_id !== client?.options.userId,
  )?.seq;
  useEffect(() => {
    if (!isVisible || !isAtEnd || link.phase !== "connected") return;
    if (lastOfOthers !== undefined) client?.markRead(lastOfOthers);
  }, [client, isVisible, isAtEnd, link.phase, lastOfOthers]);
}

/** Whether an element is on the screen, in a page that is. */
function useVisible(element: ListRef): boolean {
  const [isOnScreen, setOnScreen] = useState(false);
  const [isShown, setShown] = useState(!document.hidden);
  useEffect(() => {
    const observer = new IntersectionObserver(([entry]) =>
      setOnScreen(entry?.isIntersecting ?? false),
    );
    if (element.current) observer.observe(element.current);
    const onVisibility = () => setShown(!document.hidden);
    document.addEventListener("visibilitychange", onVisibility);
    return () => {
      observer.disconnect();
      document.removeEventListener("visibilitychange", onVisibility);
    };
  }, []);
  return isOnScreen && isShown;
}
