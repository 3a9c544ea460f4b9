/** The widget's conversation as state of a component, and what the visitor has seen of it. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { useTexts } from "../ui/language.tsx";
import { WidgetConversation, type View } from "./conversation.ts";
import type { Wish } from "./saved.ts";
import { lastOfOthers, unreadBehind } from "./state.ts";
import { tellPage } from "./surroundings.ts";
import { TEXTS } from "./texts.ts";

/** An indicator that nobody renews has ended, even if its end was never heard. */
const TYPING_MS_MAX = 6000;

export interface Talk extends View {
  conversation: WidgetConversation;
}

export function useTalk(wish: Wish): Talk {
  const conversation = useMemo(() => new WidgetConversation(wish), []);
  const [view, setView] = useState(conversation.view);
  useEffect(() => {
    const stop = conversation.on("view", setView);
    conversation.open();
    const close = () => conversation.close();
    // A page that comes back from the browser's cache has been closed, and knows it not.
    const open = ({ persisted }: PageTransitionEvent) => persisted && conversation.open();
    window.addEventListener("pagehide", close);
    window.addEventListener("pageshow", open);
    return () => {
      stop();
      close();
      window.removeEventListener("pagehide", close);
      window.removeEventListener("pageshow", open);
    };
  }, [conversation]);
  useEffect(() => {
    if (view.chat.typing.length === 0) return;
    const timer = setTimeout(() => conversation.forgetTyping(), TYPING_MS_MAX);
    return () => clearTimeout(timer);
  }, [view.chat.typing]);
  return { ...view, conversation };
}

/** Marks what stands on a visible page as read; gives the number of messages that do not. */
export function useUnread({ conversation, chat, session }: Talk, isAtEnd: boolean): number {
  const isShown = usePageShown();
  const selfId = session?.userId ?? "";
  const last = lastOfOthers(chat, selfId);
  const unread = session ? unreadBehind(chat, session.readSeq, selfId) : 0;
  useEffect(() => {
    if (isShown && isAtEnd) conversation.markRead(last);
  }, [isShown, isAtEnd, last]);
  const texts = useTexts(TEXTS);
  useEffect(() => {
    document.title = unread > 0 ? texts.unreadTitle(unread) : texts.title;
    tellPage({ type: "switchboard:unread", count: unread });
  }, [unread, texts]);
  return unread;
}

function usePageShown(): boolean {
  const [isShown, setShown] = useState(!document.hidden);
  useEffect(() => {
    const onVisibility = () => setShown(!document.hidden);
    document.addEventListener("visibilitychange", onVisibility);
    return () => document.removeEventListener("visibilitychange", onVisibility);
  }, []);
  return isShown;
}
