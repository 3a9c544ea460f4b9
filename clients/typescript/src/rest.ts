/**
 * The REST calls that a page makes beside its socket, with the server's envelope taken off and its
 * refusals turned into `ApiError`.
 *
 * Cookies are neither sent nor kept: who asks is who the token says, and a page may be several
 * people at once. A new call is one more method.
 */
import { currentToken, type TokenSource } from "./core/token.ts";
import type { ConnectionStatus } from "./session/frames.ts";
import type { MessageReceived } from "./socketio/events.ts";

/** No call takes longer; the bot, which may think, has `BOT_MS_MAX`. */
const CALL_MS_MAX = 15_000;

const BOT_MS_MAX = 60_000;

/** `GET /api/about`: what this server is and offers. */
export interface About {
  name: string;
  version: string;
  demo: boolean;
  /** Sockets of the session dialect need no token. */
  open_sessions: boolean;
  /** Seconds between two heartbeats of an agent. */
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

/** What a customer says when it starts a conversation. */
export interface NewSession {
  name?: string;
  email?: string;
  /** A UUID. */
  department_id?: string;
  external_id?: string;
  metadata?: Record<string, unknown>;
}

/** `POST /api/sessions`: a customer's new conversation, and what lets it in. */
export interface StartedSession {
  session_id: string;
  user_id: string;
  token: string;
  /** A UUID; Socket.IO's `auth.sessionId`. */
  session_key: string;
  queue?: { position: number; estimated_wait_seconds: number | null } | null;
}

/** `POST /api/auth/login`. */
export interface Login {
  token: string;
  expires_at: string;
  user: { id: string; name?: string };
}

/** One conversation of `GET /api/sessions`. */
export interface SessionSummary {
  session_id: string;
  status: "open" | "waiting" | "assigned" | "closed";
  customer_id: string | null;
  customer_name: string | null;
  agent_id: string | null;
  agent_name: string | null;
  department_id: string | null;
  created_at: string;
  connection_status: ConnectionStatus;
  [more: string]: unknown;
}

export interface SessionPage {
  sessions: SessionSummary[];
  next_cursor: string | null;
}

/** Which messages are wanted, by `seq`. */
export interface MessageRange {
  before?: number;
  after?: number;
  limit?: number;
}

export interface MessagePage {
  /** Ascending. */
  messages: MessageReceived[];
  has_more: boolean;
}

export interface NewMessage {
  conversationId: string;
  content: string;
  clientId?: string;
}

/** How a message is kept. */
export interface KeptMessage {
  messageId: string;
  seq: number;
  timestamp: string;
}

/** `POST /api/coze/chat`. */
export interface BotAnswer {
  /** `null` when a person will answer. */
  answer: string | null;
  messageId: string | null;
  /** The conversation is in the hands of people now. */
  handoff: boolean;
}

/** A refusal in the server's own words; `status` is 0 when no answer came at all. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly code: string | undefined;
  /** Seconds until another try is welcome. */
  readonly retryAfter: number | undefined;

  constructor(message: string, status: number, code?: string, retryAfter?: number) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

export interface RestOptions {
  /** Scheme, host and port; absent: where the page comes from. */
  baseUrl?: string | undefined;
  token?: TokenSource | undefined;
}

interface Call {
  body?: unknown;
  timeoutMs?: number;
}

export class RestClient {
  #options: RestOptions;

  constructor(options: RestOptions = {}) {
    this.#options = options;
  }

  about = () => this.#data<About>("/api/about");

  health = () => this.#request<Health>("/health");

  /** `tenant`: whose customer; the default one when absent. */
  startSession = (session: NewSession = {}, tenant?: string) =>
    this.#data<StartedSession>(`/api/sessions${queryOf({ tenant })}`, { body: session });

  login = (email: string, password: string) =>
    this.#data<Login>("/api/auth/login", { body: { email, password } });

  connectionStatus = (sessionId: string) =>
    this.#data<ConnectionStatus>(`/api/session/${encodeURIComponent(sessionId)}/connection-status`);

  /** A page of the conversations the caller may see, newest first. */
  sessions = (query: { status?: string; department?: string; cursor?: string } = {}) =>
    this.#data<SessionPage>(`/api/sessions${queryOf(query)}`);

  /** The newest page, or the one that `range` names; a customer may leave the id out. */
  messages = (conversationId?: string, range: MessageRange = {}) =>
    this.#request<MessagePage>(`/api/messages${queryOf({ conversationId, ...range })}`);

  sendMessage = (message: NewMessage) =>
    this.#data<KeptMessage>("/api/messages", { body: message });

  /** Stores the question, asks the bot, stores its answer. */
  askBot = (question: { conversationId: string; message: string; clientId?: string }) =>
    this.#request<BotAnswer>("/api/coze/chat", { body: question, timeoutMs: BOT_MS_MAX });

  async #data<T>(path: string, call: Call = {}): Promise<T> {
    const envelope = await this.#request<{ data: T }>(path, call);
    return envelope.data;
  }

  async #request<T>(path: string, { body, timeoutMs = CALL_MS_MAX }: Call = {}): Promise<T> {
    const { baseUrl = "", token } = this.#options;
    const bearer = await currentToken(token);
    const headers: Record<string, string> = { accept: "application/json" };
    if (body !== undefined) headers["content-type"] = "application/json";
    if (bearer) headers["authorization"] = `Bearer ${bearer}`;
    const response = await fetch(baseUrl + path, {
      method: body === undefined ? "GET" : "POST",
      headers,
      credentials: "omit",
      cache: "no-store",
      signal: AbortSignal.timeout(timeoutMs),
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }).catch((error: unknown) => {
      throw new ApiError(String(error), 0);
    });
    const answer: unknown = await response.json().catch(() => null);
    if (response.ok && answer !== null) return answer as T;
    throw refusal(response, answer);
  }
}

function refusal(response: Response, answer: unknown): ApiError {
  const said = (answer ?? {}) as { message?: string; error?: string; code?: string };
  const text = [said.message, said.error].filter(Boolean).join(": ");
  const wait = Number(response.headers.get("retry-after") ?? Number.NaN);
  const retryAfter = Number.isFinite(wait) ? wait : undefined;
  return new ApiError(text || `HTTP ${response.status}`, response.status, said.code, retryAfter);
}

function queryOf(values: Record<string, string | number | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined) query.set(name, String(value));
  }
  return query.size > 0 ? `?${query}` : "";
}
