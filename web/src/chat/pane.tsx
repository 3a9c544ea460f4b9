/**
 * One side of the test page: its connection, who is here, the messages, the input and, on demand,
 * the raw frames.
 */
import { type ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import {
  CloseCode,
  type Conversation,
  isAbandoned,
  isWaiting,
  type LinkState,
} from "@switchboard/client/session";
import type { StartedSession } from "@switchboard/client/rest";
import { Icon } from "../ui/icons.tsx";
import { useLanguage, useTexts, type Language } from "../ui/language.tsx";
import { isPast, momentWords } from "../ui/moments.ts";
import { Composer } from "./composer.tsx";
import { DialectChoice, type Dialect } from "./dialects.tsx";
import { Log } from "./log.tsx";
import { People } from "./people.tsx";
import { RawFrames } from "./raw-frames.tsx";
import type { Seat, Side } from "./saved.ts";
import { TEXTS, type ChatTexts } from "./texts.ts";
import { useRemoteStatus, useSession, type Session } from "./use-session.ts";

export interface PaneProps {
  side: Side;
  sessionId: string | null;
  seat: Seat | null;
  dialect: Dialect;
  /** Absent where the server speaks one dialect only. */
  onDialect?: ((dialect: Dialect) => void) | undefined;
  /** Shown while nobody sits here; `join` takes the seat. */
  welcome: (join: () => void) => ComponentChildren;
  /** Where the conversation stood in the queue when it began; what is heard later counts more. */
  firstPlace?: StartedSession["queue"];
  /** Whether this side may ask who is in the session before it has joined. */
  mayWatch?: boolean;
  watchToken?: string | undefined;
  /** Changes whenever there is a reason to ask at once. */
  watchSignal?: number;
  /** This side has heard that somebody came or went. */
  onStatus?: () => void;
  onJoin?: () => void;
  /** The server does not accept this seat any more. */
  onSeatLost?: () => void;
}

export function Pane(props: PaneProps) {
  const { side, sessionId, seat, welcome, mayWatch = false, onJoin = () => {} } = props;
  const texts = useTexts(TEXTS);
  const session = useSession(side, props.dialect, sessionId, seat);
  const [showsRaw, setShowsRaw] = useState(false);
  const isAway = session.link.phase === "idle";
  // A dialect may tell changes only, and then the first status has to be asked for.
  const isBlind = isAway || session.conversation.status === null;
  const watched = useRemoteStatus(mayWatch && isBlind ? sessionId : null, props);
  const status = isBlind ? watched : session.conversation.status;
  const isLive = session.link.phase === "connected" || watched !== null;
  useSeatLoss(session, props);
  useEffect(() => props.onStatus?.(), [session.conversation.status]);
  return (
    <section class={`card pane pane-${side}`} data-testid={`pane-${side}`} aria-label={texts[side]}>
      <PaneHead {...props} session={session} showsRaw={showsRaw} onRaw={setShowsRaw} />
      {sessionId && <People status={status} selfId={seat?.userId} isLive={isLive} />}
      <Warnings
        side={side}
        session={session}
        isWaiting={isWaiting(status)}
        firstPlace={props.firstPlace}
      />
      <LinkNotes session={session} />
      {session.client && seat ? (
        <>
          <Log side={side} session={session} />
          <Composer side={side} session={session} />
        </>
      ) : (
        <div class="pane-welcome">{welcome(onJoin)}</div>
      )}
      {session.client && showsRaw && (
        <RawFrames side={side} frames={session.raw} onClear={session.clearRaw} />
      )}
    </section>
  );
}

interface PaneHeadProps extends Pick<PaneProps, "side" | "dialect" | "onDialect"> {
  session: Session;
  showsRaw: boolean;
  onRaw: (shows: boolean) => void;
}

function PaneHead({ side, dialect, onDialect, session, showsRaw, onRaw }: PaneHeadProps) {
  const texts = useTexts(TEXTS);
  const { client, link } = session;
  const isDown = link.phase === "idle" || link.phase === "ended";
  return (
    <header class="pane-head">
      <div class="pane-title">
        <h2>{texts[side]}</h2>
        <p class="muted">{side === "customer" ? texts.customerLead : texts.agentLead}</p>
      </div>
      {onDialect && <DialectChoice side={side} chosen={dialect} onChoose={onDialect} />}
      <Badge link={link} isStarted={client !== null} />
      {client && (
        <div class="pane-actions">
          <button
            type="button"
            class="button small"
            data-testid="cut"
            onClick={() => (isDown ? client.connect() : client.disconnect())}
          >
            <Icon name={isDown ? "plug" : "unplug"} />
            {isDown ? texts.restore : texts.cut}
          </button>
          <button
            type="button"
            class="button small"
            aria-pressed={showsRaw}
            data-testid="frames-toggle"
            onClick={() => onRaw(!showsRaw)}
          >
            <Icon name="frames" />
            {texts.frames}
          </button>
        </div>
      )}
    </header>
  );
}

const BADGE_TONES: Record<LinkState["phase"], string> = {
  idle: "",
  connecting: "warn",
  connected: "good",
  waiting: "warn",
  ended: "bad",
};

function Badge({ link, isStarted }: { link: LinkState; isStarted: boolean }) {
  const texts = useTexts(TEXTS);
  const seconds = useCountdown(link.phase === "waiting" ? link.retryAt : null);
  const words: Record<LinkState["phase"], string> = {
    idle: isStarted ? texts.disconnected : texts.notStarted,
    connecting: texts.connecting,
    connected: texts.connected,
    waiting: texts.reconnecting,
    ended: texts.disconnected,
  };
  const shown = seconds === null ? words[link.phase] : texts.reconnectingIn(seconds);
  return (
    <p class={`tag badge ${BADGE_TONES[link.phase]}`} data-testid="badge" data-phase={link.phase}>
      <span class="dot" />
      {/* The count changes every second; only the state itself is worth announcing. */}
      <span class="visually-hidden" role="status">
        {words[link.phase]}
      </span>
      <span aria-hidden="true">{shown}</span>
    </p>
  );
}

interface WarningsProps extends Pick<PaneProps, "side" | "firstPlace"> {
  session: Session;
  isWaiting: boolean;
}

function Warnings({ side, session, isWaiting, firstPlace }: WarningsProps) {
  const texts = useTexts(TEXTS);
  if (side === "customer") return <QueueNote session={session} firstPlace={firstPlace} />;
  const isAlone = session.link.phase === "connected" && isAbandoned(session.conversation);
  const text = isWaiting ? texts.waiting : isAlone ? texts.abandoned : null;
  return (
    <div role="alert" class="pane-note">
      {text && (
        <p class="banner warn" data-testid="warning">
          <Icon name="alert" />
          {text}
        </p>
      )}
    </div>
  );
}

function QueueNote({ session, firstPlace }: Pick<WarningsProps, "session" | "firstPlace">) {
  const texts = useTexts(TEXTS);
  const { language } = useLanguage();
  const { conversation, link } = session;
  const waits = link.phase === "connected" && isWaiting(conversation.status);
  const first = firstPlace && {
    position: firstPlace.position,
    waitSeconds: firstPlace.estimated_wait_seconds,
  };
  const queue = conversation.queue ?? first ?? null;
  return (
    <div role="status" class="pane-note">
      {waits && (
        <p class="banner" data-testid="queue">
          <Icon name="clock" />
          {queueWords({ ...conversation, queue }, texts, language)}
        </p>
      )}
    </div>
  );
}

/** What somebody who waits can expect, as far as it is known. */
function queueWords(conversation: Conversation, texts: ChatTexts, language: Language): string {
  const { queue, outsideHours, agentName } = conversation;
  if (outsideHours && !isPast(outsideHours.opensAt)) {
    return texts.closed(momentWords(outsideHours.opensAt, language));
  }
  if (agentName !== null) return texts.agentComes(agentName);
  if (!queue || queue.position === 0) return texts.agentSoon;
  const place = texts.inQueue(queue.position);
  return queue.waitSeconds ? `${place} ${texts.wait(queue.waitSeconds)}` : place;
}

/** What there is to say about a connection that is not up. */
function LinkNotes({ session: { client, link } }: { session: Session }) {
  const texts = useTexts(TEXTS);
  if (!client || link.phase === "connected" || link.phase === "connecting") return null;
  if (link.phase === "idle") {
    return (
      <p class="banner pane-note-line" data-testid="cut-note">
        <Icon name="unplug" />
        {texts.cutNote}
      </p>
    );
  }
  if (link.phase === "ended") {
    return (
      <p class="banner bad pane-note-line" role="alert" data-testid="ended">
        <Icon name="alert" />
        {link.reason || (texts.ended[link.code] ?? texts.endedOther(link.code))}
      </p>
    );
  }
  return (
    <p class="banner warn pane-note-line">
      {link.slow && <span role="status">{texts.slow(link.attempt - 1)}</span>}
      <button type="button" class="button small" onClick={() => client.connect()}>
        {texts.tryNow}
      </button>
    </p>
  );
}

function useSeatLoss({ link }: Session, { onSeatLost }: PaneProps): void {
  const isLost = link.phase === "ended" && link.code === CloseCode.tokenEnded;
  useEffect(() => {
    if (isLost) onSeatLost?.();
  }, [isLost]);
}

/** Whole seconds until a moment, counted down; `null` without one. */
function useCountdown(until: number | null): number | null {
  const [, tick] = useState(0);
  useEffect(() => {
    if (until === null) return;
    const timer = setInterval(() => tick((count) => count + 1), 250);
    return () => clearInterval(timer);
  }, [until]);
  return until === null ? null : Math.max(0, Math.ceil((until - Date.now()) / 1000));
}
