/**
 * What a message carries below its text, wherever messages are listed: its time, how far it got,
 * and what to do when it was not sent. Whose it is and how it is laid out is the page's own.
 */
import { Icon, type IconName } from "./icons.tsx";
import { useLanguage, useTexts } from "./language.tsx";
import { TEXTS, type SaidTexts } from "./texts.ts";

/** How far a message of our own got. */
export type Mark = keyof SaidTexts["marks"];

const MARK_ICONS: Record<Mark, IconName> = {
  pending: "clock",
  sent: "check",
  delivered: "checks",
  read: "checks",
  failed: "alert",
};

interface Receipts {
  deliveredSeq: number;
  readSeq: number;
}

/** The mark of a message that the server has. */
export function markOf(seq: number, { deliveredSeq, readSeq }: Receipts): Mark {
  if (seq <= readSeq) return "read";
  return seq <= deliveredSeq ? "delivered" : "sent";
}

interface FootProps {
  at: string | number;
  /** Absent below what others said. */
  mark?: Mark | undefined;
}

export function Foot({ at, mark }: FootProps) {
  return (
    <span class="said-foot">
      <ClockTime at={at} />
      {mark && <MarkSign mark={mark} />}
    </span>
  );
}

interface FailureProps {
  error: string | null | undefined;
  onRetry: () => void;
  onDiscard: () => void;
}

/** Below a message that was not sent: why, and what can be done. */
export function Failure({ error, onRetry, onDiscard }: FailureProps) {
  const texts = useTexts(TEXTS);
  return (
    <span class="said-failure">
      {error}
      <button type="button" onClick={onRetry}>
        {texts.retry}
      </button>
      <button type="button" onClick={onDiscard}>
        {texts.discard}
      </button>
    </span>
  );
}

function MarkSign({ mark }: { mark: Mark }) {
  const texts = useTexts(TEXTS);
  return (
    <span class={`mark ${mark}`} data-testid="mark" data-mark={mark} title={texts.marks[mark]}>
      <Icon name={MARK_ICONS[mark]} />
      <span class="visually-hidden">{texts.marks[mark]}</span>
    </span>
  );
}

export function ClockTime({ at }: { at: string | number }) {
  const { language } = useLanguage();
  const moment = new Date(at);
  return (
    <time dateTime={moment.toISOString()}>
      {moment.toLocaleTimeString(language, { timeStyle: "short" })}
    </time>
  );
}

/** Three dots that hop while somebody types. */
export function TypingDots() {
  return (
    <span class="typing-dots" aria-hidden="true">
      <i />
      <i />
      <i />
    </span>
  );
}
