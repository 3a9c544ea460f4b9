/**
 * The REST calls that a page makes beside its socket, with the server's envelope taken off and its
 * refusals turned into `ApiError`. A new call is one more method.
 */
import { request, requestData, type Call, type RestOptions } from "./core/http.ts";
import type { ConnectionStatus } from "./session/frames.ts";
import type { MessageReceived } from "./socketio/events.ts";

export { ApiError, type Holder, type RestOptions } from "./core/http.ts";

/** The bot may think for longer than any other call takes. */
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
  status: "open" | "waiting" | "bot" | "assigned" | "closed";
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

  #data<T>(path: string, call?: Call): Promise<T> {
    return requestData(this.#options, path, call);
  }

  #request<T>(path: string, call?: Call): Promise<T> {
    return request(this.#options, path, call);
  }
}

function queryOf(values: Record<string, string | number | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined) query.set(name, String(value));
  }
  return query.size > 0 ? `?${query}` : "";
}
