/** Document 002's hook: who is in a session, and who came or went last. */
import { useEffect, useState } from "react";
import { subjectOf } from "../core/token.ts";
import type { ConnectionStatus, UserType } from "../session/frames.ts";
import type { LinkState } from "../core/link.ts";
import { StatusFeed, type StatusFeedOptions } from "../status/feed.ts";

export interface LastEvent {
  type: "user_connected" | "user_disconnected";
  userId: string;
  /** RFC 3339, UTC. */
  timestamp: string;
}

export interface ConnectionStatusOptions {
  /** `ws://` or `wss://`, host and port; absent: where the page comes from. */
  wsURL?: string;
  /** Absent: the user whom the token names. */
  userId?: string;
  /** `admin` by default, who observes and is counted in no total. */
  userType?: UserType;
  /** Not needed where the server keeps its sessions open. */
  token?: string;
  openSocket?: StatusFeedOptions["openSocket"];
}

export interface WatchedStatus {
  /** `null` until the server has said something. */
  status: ConnectionStatus | null;
  lastEvent: LastEvent | null;
  connection: LinkState;
}

const NOTHING: WatchedStatus = { status: null, lastEvent: null, connection: { phase: "idle" } };

/** Watches a session for as long as the component lives, or until the session changes. */
export function useConnectionStatus(
  sessionId: string,
  options: ConnectionStatusOptions = {},
): WatchedStatus {
  const [watched, setWatched] = useState(NOTHING);
  const { userType = "admin", token, openSocket } = options;
  const wsURL = options.wsURL ?? globalThis.location?.origin;
  const subject = token === undefined ? undefined : subjectOf(token);
  const userId = options.userId ?? `${userType}_${subject ?? "observer"}`;
  useEffect(() => {
    setWatched(NOTHING);
    const own = openSocket && { openSocket };
    const feed = new StatusFeed({ wsURL, sessionId, userId, userType, token, ...own });
    const change = (part: Partial<WatchedStatus>) => setWatched((old) => ({ ...old, ...part }));
    feed.on("state", (connection) => change({ connection }));
    feed.on("frame", (frame) => {
      if (frame.type !== "connection_status_update") return;
      const { connection_status: status, event_type, event_user_id, timestamp } = frame.data;
      change({ status });
      if (!event_type) return;
      change({ lastEvent: { type: event_type, userId: event_user_id ?? "", timestamp } });
    });
    feed.connect();
    return () => feed.disconnect();
  }, [sessionId, wsURL, userId, userType, token, openSocket]);
  return watched;
}
