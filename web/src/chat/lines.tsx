/** The lines of the log: messages with their marks, unsent messages, and notices. */
import type { MessageData, Notice, Outgoing } from "@switchboard/client/session";
import { useTexts } from "../ui/language.tsx";
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
  const words = noticeWords(notice, texts);
  if (!words) return null;
  return (
    <li class={`notice ${notice.kind}`} data-testid="notice" data-kind={notice.kind}>
      {words} <ClockTime at={notice.at} />
    </li>
  );
}

function noticeWords({ kind, userId = "", text, data }: Notice, texts: ChatTexts): string {
  const say = texts.notices;
  switch (kind) {
    case "joined":
    case "returned":
      return say[kind](userId);
    case "left":
      return say.left(userId, text && (texts.reasons[text] ?? text));
    case "conversation_assigned":
      return say.conversation_assigned(data?.agent_name ?? data?.agent_id ?? texts.agent);
    case "error":
    case "notification":
      return text ?? "";
    default:
      return say[kind];
  }
}
