/** Document 000's component: who is in a session, asked again every five seconds. */
import { useEffect, useState } from "react";
import type { ConnectedUser, ConnectionStatus } from "../session/frames.ts";

const REFRESH_MS = 5000;

/** A question that takes longer has failed. */
const CALL_MS_MAX = 15_000;

export interface SessionStatusMonitorProps {
  sessionId: string;
  /** Scheme, host and port; absent: where the page comes from. */
  baseURL?: string;
  /** Not needed where the server keeps its sessions open. */
  token?: string;
  refreshMs?: number;
}

interface Answer {
  success: boolean;
  message: string;
  data: ConnectionStatus;
}

export function SessionStatusMonitor(props: SessionStatusMonitorProps) {
  const { sessionId } = props;
  const { status, error } = usePolledStatus(props);
  if (error !== null) return <div className="error">Error: {error}</div>;
  if (status === null) return <div>Loading...</div>;
  const { customer_connected, agent_connected, total_customer, total_agent, users } = status;
  return (
    <div className="session-status">
      <h3>Session {sessionId}</h3>
      <div className="status-summary">
        <Count name="Customers" count={total_customer} isOnline={customer_connected} />
        <Count name="Agents" count={total_agent} isOnline={agent_connected} />
      </div>
      <div className="user-list">
        {Object.values(users).map((user) => (
          <User key={user.user_id} user={user} />
        ))}
      </div>
    </div>
  );
}

function Count({ name, count, isOnline }: { name: string; count: number; isOnline: boolean }) {
  return (
    <div className={`status-item ${isOnline ? "online" : "offline"}`}>
      <span>
        {name}: {count}
      </span>
    </div>
  );
}

function User({ user: { user_id, user_type, joined_at } }: { user: ConnectedUser }) {
  return (
    <div className="user-item">
      <span className="user-id">{user_id}</span>
      <span className={`user-type ${user_type}`}>{user_type}</span>
      <span className="join-time">{new Date(joined_at).toLocaleTimeString()}</span>
    </div>
  );
}

interface Polled {
  status: ConnectionStatus | null;
  error: string | null;
}

function usePolledStatus(props: SessionStatusMonitorProps): Polled {
  const { sessionId, baseURL = "", token, refreshMs = REFRESH_MS } = props;
  const [polled, setPolled] = useState<Polled>({ status: null, error: null });
  useEffect(() => {
    setPolled({ status: null, error: null });
    const ending = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const refresh = async () => {
      const answer = await ask(sessionId, baseURL, token, ending.signal);
      if (ending.signal.aborted) return;
      setPolled(answer);
      // The next question follows the answer, so that a slow server is not asked twice at a time.
      timer = setTimeout(refresh, refreshMs);
    };
    void refresh();
    return () => {
      ending.abort();
      clearTimeout(timer);
    };
  }, [sessionId, baseURL, token, refreshMs]);
  return polled;
}

async function ask(
  sessionId: string,
  baseURL: string,
  token: string | undefined,
  ending: AbortSignal,
): Promise<Polled> {
  const path = `/api/session/${encodeURIComponent(sessionId)}/connection-status`;
  try {
    const headers: HeadersInit = token ? { authorization: `Bearer ${token}` } : {};
    const signal = AbortSignal.any([ending, AbortSignal.timeout(CALL_MS_MAX)]);
    const response = await fetch(baseURL + path, { headers, signal });
    const { success, message, data } = (await response.json()) as Answer;
    return success ? { status: data, error: null } : { status: null, error: message };
  } catch {
    return { status: null, error: "Failed to fetch status" };
  }
}

export default SessionStatusMonitor;
