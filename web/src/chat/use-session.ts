/** Joins a client to a pane: its life follows the seat and the dialect, its words become state. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { RestClient, type ApiError } from "@switchboard/client/rest";
import {
  CloseCode,
  type ConnectionStatus,
  type Conversation,
  emptyConversation,
  fold,
  type FrameRecord,
  type LinkState,
  type Outgoing,
  type Refusal,
  SessionClient,
  withoutTyping,
} from "@switchboard/client/session";
import { TRANSPORTS, type Dialect } from "./dialects.tsx";
import type { PaneClient } from "./pane-client.ts";
import {
  clientKey,
  loadProgress,
  saveProgress,
  tabStorage,
  type Progress,
  type Seat,
  type Side,
} from "./saved.ts";
import { SocketIoSession } from "./socketio-session.ts";

/** How many raw frames are kept. */
export const RAW_FRAMES_MAX = 200;

/** An indicator that nobody renews has ended, even if its end was never heard. */
const TYPING_MS_MAX = 5000;

/** How often a side that is not connected asks who is there. */
const STATUS_INTERVAL_MS = 5000;

export interface Session {
  client: PaneClient | null;
  link: LinkState;
  conversation: Conversation;
  outbox: readonly Outgoing[];
  raw: readonly FrameRecord[];
  clearRaw: () => void;
}

export function useSession(
  side: Side,
  dialect: Dialect,
  sessionId: string | null,
  seat: Seat | null,
): Session {
  const [link, setLink] = useState<LinkState>({ phase: "idle" });
  const [conversation, setConversation] = useState(emptyConversation);
  const [outbox, setOutbox] = useState<readonly Outgoing[]>([]);
  const [raw, setRaw] = useState<readonly FrameRecord[]>([]);
  const client = useMemo(
    () => (sessionId && seat ? newClient(side, dialect, sessionId, seat) : null),
    [side, dialect, sessionId, seat?.userId, seat?.token],
  );

  useEffect(() => {
    const { deliveredSeq = 0, readSeq = 0 } = (client && progressOf(side, client)) ?? {};
    setConversation({ ...emptyConversation, deliveredSeq, readSeq });
    setOutbox(client?.outbox ?? []);
    setRaw([]);
    setLink({ phase: "idle" });
    if (!client) return;
    client.on("link", (state) => {
      setLink(state);
      if (state.phase !== "connected") setConversation(withoutTyping);
    });
    client.on("frame", (frame) =>
      setConversation((state) => fold(state, frame, client.options.userId)),
    );
    client.on("outbox", setOutbox);
    client.on("raw", (record) => setRaw((kept) => [...kept, record].slice(-RAW_FRAMES_MAX)));
    client.connect();
    return () => client.disconnect();
  }, [client, side]);

  useProgress(side, client, conversation);
  useTypingEnd(conversation, setConversation);
  return { client, link, conversation, outbox, raw, clearRaw: () => setRaw([]) };
}

interface Watch {
  watchToken?: string | undefined;
  watchSignal?: number;
}

/** Who is in a session, asked over REST by a side that has no connection of its own. */
export function useRemoteStatus(
  sessionId: string | null,
  { watchToken, watchSignal }: Watch,
): ConnectionStatus | null {
  const [status, setStatus] = useState<ConnectionStatus | null>(null);
  useEffect(() => setStatus(null), [sessionId]);
  useEffect(() => {
    if (!sessionId) return;
    let isCurrent = true;
    const rest = new RestClient({ token: watchToken });
    const tell = (answer: ConnectionStatus | null) => {
      if (isCurrent) setStatus(answer);
    };
    const ask = () => {
      if (document.hidden) return;
      rest.connectionStatus(sessionId).then(tell, () => tell(null));
    };
    ask();
    const timer = setInterval(ask, STATUS_INTERVAL_MS);
    return () => {
      isCurrent = false;
      clearInterval(timer);
    };
  }, [sessionId, watchToken, watchSignal]);
  return status;
}

function newClient(side: Side, dialect: Dialect, sessionId: string, seat: Seat): PaneClient {
  const { userId, token } = seat;
  const storageKey = clientKey(side, sessionId, userId);
  const options = { sessionId, userId, userType: side, token, storage: tabStorage, storageKey };
  const transports = TRANSPORTS[dialect];
  if (transports) {
    return new SocketIoSession({ ...options, transports, storageKey: `${storageKey}.socketio` });
  }
  const baseUrl = location.origin.replace(/^http/, "ws");
  return new SessionClient({ ...options, baseUrl, diagnose: () => diagnose(sessionId, token) });
}

/** Browsers hide why an upgrade was refused; the same rights are asked of a plain request. */
async function diagnose(sessionId: string, token: string | undefined): Promise<Refusal | null> {
  try {
    await new RestClient({ token }).connectionStatus(sessionId);
    return null;
  } catch (error) {
    const { status, message } = error as ApiError;
    if (status === 401) return { code: CloseCode.tokenEnded, reason: message };
    if (status === 403) return { code: CloseCode.forbidden, reason: message };
    if (status === 404) return { code: CloseCode.noSuchSession, reason: message };
    return null;
  }
}

function progressOf(side: Side, { options }: PaneClient): Progress | undefined {
  return loadProgress(side, options.sessionId, options);
}

function useProgress(side: Side, client: PaneClient | null, conversation: Conversation): void {
  const { deliveredSeq, readSeq } = conversation;
  useEffect(() => {
    if (!client) return;
    const { sessionId, userId } = client.options;
    saveProgress(side, { sessionId, userId, deliveredSeq, readSeq });
  }, [side, client, deliveredSeq, readSeq]);
}

function useTypingEnd(
  { typing }: Conversation,
  setConversation: (change: (state: Conversation) => Conversation) => void,
): void {
  useEffect(() => {
    if (typing.length === 0) return;
    const timer = setTimeout(() => setConversation(withoutTyping), TYPING_MS_MAX);
    return () => clearTimeout(timer);
  }, [typing]);
}
