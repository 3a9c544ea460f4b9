/**
 * The REST calls that the pages make, with the server's envelope taken off and its refusals turned
 * into `ApiError`.
 *
 * Cookies are neither sent nor kept: the test page is a customer and an agent in one browser, and
 * a cookie would make them the same person.
 */
import type { ConnectionStatus } from "./frames.ts";

/** `GET /api/about`: what this server is and offers. */
export interface About {
  name: string;
  version: string;
  demo: boolean;
  /** Sockets of the session dialect need no token. */
  open_sessions: boolean;
  heartbeat_interval: number;
  dialects: { name: string; path: string }[];
}

/** The state of a part of the server; the text alone, or with more said about it. */
export type PartHealth = string | { status?: string; [more: string]: unknown } | null;

/** `GET /health`; it has no envelope. */
export interface Health {
  status: "healthy" | "degraded";
  version: string;
  uptime_seconds: number;
  websocket: { connections: number; status: string };
  store?: PartHealth;
  redis?: PartHealth;
  kafka?: PartHealth;
}

/** `POST /api/sessions`: a customer's new session. */
export interface StartedSession {
  session_id: string;
  user_id: string;
  token: string;
  session_key: string;
  queue?: { position: number; estimated_wait_seconds: number | null } | null;
}

/** `POST /api/auth/login`. */
export interface Login {
  token: string;
  expires_at: string;
  user: { id: string; name?: string };
}

/** A refusal in the server's own words; `status` is 0 when no answer came at all. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code?: string,
  ) {
    super(message);
  }
}

export const api = {
  about: () => data<About>("/api/about"),
  health: () => request<Health>("/health"),
  startSession: (name: string) => data<StartedSession>("/api/sessions", { body: { name } }),
  login: (email: string, password: string) =>
    data<Login>("/api/auth/login", { body: { email, password } }),
  connectionStatus: (sessionId: string, token?: string) =>
    data<ConnectionStatus>(
      `/api/session/${encodeURIComponent(sessionId)}/connection-status`,
      token ? { token } : {},
    ),
};

interface Call {
  body?: unknown;
  token?: string;
}

async function data<T>(path: string, call: Call = {}): Promise<T> {
  const envelope = await request<{ data: T }>(path, call);
  return envelope.data;
}

async function request<T>(path: string, { body, token }: Call = {}): Promise<T> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (token) headers["authorization"] = `Bearer ${token}`;
  const response = await fetch(path, {
    method: body === undefined ? "GET" : "POST",
    headers,
    credentials: "omit",
    cache: "no-store",
    ...(body !== undefined && { body: JSON.stringify(body) }),
  }).catch((error: unknown) => {
    throw new ApiError(String(error), 0);
  });
  const answer: unknown = await response.json().catch(() => null);
  if (response.ok && answer !== null) return answer as T;
  const said = (answer ?? {}) as { message?: string; error?: string; code?: string };
  const text = [said.message, said.error].filter(Boolean).join(": ");
  throw new ApiError(text || `HTTP ${response.status}`, response.status, said.code);
}
