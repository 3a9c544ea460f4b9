/** The order of the lines: messages in runs of one writer, notices and days between them. Pure. */
import type { MessageReceived } from "@switchboard/client/socketio";
import type { Chat, Notice } from "./state.ts";

/** Messages of one writer that are further apart than this begin a new run. */
const RUN_MS_MAX = 5 * 60_000;

export interface MessageItem {
  kind: "message";
  key: string;
  message: MessageReceived;
  isOwn: boolean;
  /** The first of a run shows who writes, the last one shows when. */
  isFirst: boolean;
  isLast: boolean;
}

export type Item =
  | MessageItem
  | { kind: "notice"; key: string; notice: Notice }
  | { kind: "day"; key: string; at: string };

export function timeline({ messages, notices }: Chat, selfId: string): Item[] {
  const items: Item[] = [];
  let next = 0;
  let before: MessageReceived | undefined;
  const takeNotices = (uptoSeq: number) => {
    for (; next < notices.length && notices[next]!.afterSeq < uptoSeq; next += 1) {
      const notice = notices[next]!;
      items.push({ kind: "notice", key: `n${notice.key}`, notice });
      before = undefined;
    }
  };
  for (const [place, message] of messages.entries()) {
    takeNotices(message.seq);
    const { seq, timestamp, sender } = message;
    if (dayOf(timestamp) !== dayOf(messages[place - 1]?.timestamp)) {
      items.push({ kind: "day", key: `d${seq}`, at: timestamp });
      before = undefined;
    }
    const isFirst = !before || !isRun(before, message);
    const last = items.at(-1);
    if (!isFirst && last?.kind === "message") last.isLast = false;
    const isOwn = sender.userId === selfId;
    items.push({ kind: "message", key: `m${seq}`, message, isOwn, isFirst, isLast: true });
    before = message;
  }
  takeNotices(Infinity);
  return items;
}

function isRun(one: MessageReceived, other: MessageReceived): boolean {
  const apartMs = Date.parse(other.timestamp) - Date.parse(one.timestamp);
  return one.sender.userId === other.sender.userId && apartMs < RUN_MS_MAX;
}

/** The day by the visitor's own calendar. */
function dayOf(timestamp: string | undefined): string | undefined {
  return timestamp && new Date(timestamp).toDateString();
}
