/**
 * Document 000's REST client of a dashboard: who is in a session, and which sessions there are.
 * It throws `HTTP {status}: {statusText}`, as that document does.
 */
import { currentToken, type TokenSource } from "../core/token.ts";
import type { SessionPage, SessionSummary } from "../rest.ts";
import type { ConnectionStatus } from "../session/frames.ts";

/** No call takes longer. */
const CALL_MS_MAX = 15_000;

/** More pages than anybody's dashboard shows; a list that never ends must not be read for ever. */
const PAGES_MAX = 1000;

/** The answer of `GET /api/session/{id}/connection-status`. */
export interface SessionStatusAnswer {
  success: true;
  message: string;
  data: ConnectionStatus;
}

export interface StatusApiOptions {
  /** Not needed where the server keeps its sessions open. */
  token?: TokenSource;
}

export class ConnectionStatusAPI {
  readonly baseURL: string;
  #options: StatusApiOptions;

  /** `baseURL`: scheme, host and port; empty: where the page comes from. */
  constructor(baseURL = "", options: StatusApiOptions = {}) {
    this.baseURL = baseURL.replace(/\/$/, "");
    this.#options = options;
  }

  /** The whole answer; who is connected is in its `data`. */
  getSessionStatus(sessionId: string): Promise<SessionStatusAnswer> {
    return this.#get(`/api/session/${encodeURIComponent(sessionId)}/connection-status`);
  }

  /** Every active session the caller may see, newest first, with who is connected to it. */
  async getAllActiveSessions(): Promise<SessionSummary[]> {
    const sessions: SessionSummary[] = [];
    let query = "";
    for (let pages = 0; pages < PAGES_MAX; pages += 1) {
      const { data } = await this.#get<{ data: SessionPage }>(`/api/sessions?limit=200${query}`);
      sessions.push(...data.sessions);
      if (data.next_cursor === null) break;
      query = `&cursor=${encodeURIComponent(data.next_cursor)}`;
    }
    return sessions;
  }

  async #get<T>(path: string): Promise<T> {
    const token = await currentToken(this.#options.token);
    const response = await fetch(this.baseURL + path, {
      headers: { accept: "application/json", ...(token && { authorization: `Bearer ${token}` }) },
      signal: AbortSignal.timeout(CALL_MS_MAX),
    });
    if (!response.ok) throw new Error(`HTTP ${response.status}: ${response.statusText}`);
    return (await response.json()) as T;
  }
}
