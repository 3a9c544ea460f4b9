/** The lines of the log: messages with their marks, unsent messages, and notices. */
import type { HandoffData, MessageData, Notice, Outgoing } from "@switchboard/client/session";
import { useLanguage, useTexts, type Language } from "../ui/language.tsx";
import { momentWords } from "../ui/moments.ts";
import { ClockTime, Failure, Foot, type Mark } from "../ui/said.tsx";
import { Avatar } from "./people.tsx";
import { TEXTS, type ChatTexts } from "./texts.ts";
import type { Session } from "./use-session.ts";

interface MessageProps {
  message: MessageData;
  isOwn: boolean;
  mark: Mark;
}

export function Message({ message, isOwn, mark }: MessageProps) {
  const { content, seq, timestamp, user_id, user_name, user_type } = message;
  const name = user_name ?? user_id;
  return (
    <li class={isOwn ? "message own" : "message"} data-testid="message" data-seq={seq}>
      {!isOwn && <Avatar name={name} type={user_type} />}
      <div class="message-body">
        {!isOwn && <span class="message-name">{name}</span>}
        <div class="bubble">{content}</div>
        <Foot at={timestamp} mark={isOwn ? mark : undefined} />
      </div>
    </li>
  );
}

/** A message of our own that has not come back from the server yet. */
export function Unsent({ entry, session }: { entry: Outgoing; session: Session }) {
  const { clientId, content, queuedAt, state, error } = entry;
  const mark: Mark = state === "acked" ? "sent" : state;
  return (
    <li class={`message own ${mark}`} data-testid="message">
      <div class="message-body">
        <div class="bubble">{content}</div>
        <Foot at={queuedAt} mark={mark} />
        {state === "failed" && (
          <Failure
            error={error}
            onRetry={() => session.client?.retry(clientId)}
            onDiscard={() => session.client?.discard(clientId)}
          />
        )}
      </div>
    </li>
  );
}

export function NoticeLine({ notice }: { notice: Notice }) {
  const texts = useTexts(TEXTS);
  const { language } = useLanguage();
  const words = noticeWords(notice, texts, language);
  if (!words) return null;
  return (
    <li class={`notice ${notice.kind}`} data-testid="notice" data-kind={notice.kind}>
      {words} <ClockTime at={notice.at} />
    </li>
  );
}

function noticeWords(notice: Notice, texts: ChatTexts, language: Language): string {
  const say = texts.notices;
  switch (notice.kind) {
    case "joined":
    case "returned":
      return say[notice.kind](notice.userId);
    case "left":
      return say.left(notice.userId, notice.text && (texts.reasons[notice.text] ?? notice.text));
    case "error":
    case "notification":
      return notice.text;
    case "conversation_assigned":
      return say.conversation_assigned(notice.data.agent_name);
    case "conversation_handoff":
      return say.conversation_handoff[handoffKind(notice.data)];
    case "conversation_escalated": {
      const { waited_seconds, action } = notice.data;
      return say.conversation_escalated(texts.span(waited_seconds), action);
    }
    case "conversation_transferred":
      return say.conversation_transferred[notice.data.to_department_id ? "department" : "agent"];
    case "conversation_rated":
      return say.conversation_rated(notice.data.score, notice.data.comment);
    case "conversation_offered":
      return say.conversation_offered(
        notice.data.agent_name,
        momentWords(notice.data.until, language),
      );
    case "conversation_offer_ended":
      return say.conversation_offer_ended[notice.data.outcome];
    case "conversation_requirements":
      return "";
    default:
      return say[notice.kind];
  }
}

function handoffKind({ to, reason }: HandoffData): "toBot" | "toQueue" | "lost" {
  if (to === "bot") return "toBot";
  return reason === "agent_lost" ? "lost" : "toQueue";
}
