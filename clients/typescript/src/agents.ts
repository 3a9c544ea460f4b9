/**
 * Document 001 for a console: which agents can work, what one says of itself, and the answers to
 * what routing offers it. Refusals come as `ApiError`; a claim that somebody else won names the
 * winner in `holder`.
 *
 * It keeps no timer: `heartbeat.ts` beats.
 */
import { requestData, type RestOptions } from "./core/http.ts";
import type { TokenSource } from "./core/token.ts";
import type { AssignedData, OfferEndedData } from "./session/lifecycle.ts";

export { ApiError, type Holder } from "./core/http.ts";
export type { AssignedData, OfferEndedData } from "./session/lifecycle.ts";

/** What an agent may say of itself with a heartbeat. */
export type DeclaredStatus = "online" | "busy" | "away";

/** What an agent is. */
export type EffectiveStatus = DeclaredStatus | "offline";

/** What the server answers to a heartbeat: what is declared from now on, not what it comes to. */
export interface Beat {
  agent_id: string;
  status: EffectiveStatus;
}

/** An agent, as document 001 shows it, with its work beside it. */
export interface AgentRecord {
  agent_id: string;
  name: string;
  email: string | null;
  /** The first of `department_ids`, and its name. */
  department_id: string | null;
  department: string | null;
  department_ids: string[];
  status: EffectiveStatus;
  /** What it said last. */
  declared: EffectiveStatus;
  /** Why it is what it is: `declared`, `heartbeat`, `capacity` and others. */
  reason: string;
  /** RFC 3339, UTC, in seconds; so are all times here. */
  since: string;
  /** The last sign of life, of a heartbeat or a socket; `null` if there never was one. */
  last_heartbeat: string | null;
  current_chats: number;
  max_chats: number;
}

/** A department's agents and customers, now. */
export interface DepartmentStats {
  department_id: string;
  department: string;
  online: number;
  busy: number;
  away: number;
  waiting: number;
  longest_wait_seconds: number;
}

export interface AgentStatusOptions {
  /** An agent's or admin's. An API key with `events:read` may ask, but not speak. */
  token?: TokenSource;
}

const ROOT = "/api/agent-status";

export class AgentStatusAPI {
  readonly baseURL: string;
  #options: RestOptions;

  /** `baseURL`: scheme, host and port; empty: where the page comes from. */
  constructor(baseURL = "", { token }: AgentStatusOptions = {}) {
    this.baseURL = baseURL.replace(/\/$/, "");
    this.#options = { baseUrl: this.baseURL, token };
  }

  /** The agent of the token is there. Without a status, what it said last stays. */
  heartbeat(status?: DeclaredStatus): Promise<Beat> {
    return this.#post(`${ROOT}/heartbeat`, status && { status });
  }

  /** The agent of the token goes: offline, whatever sockets it has open. */
  offline(): Promise<Beat> {
    return this.#post(`${ROOT}/offline`);
  }

  /** Everybody who is not offline, in the order of the ids. */
  online(): Promise<AgentRecord[]> {
    return this.#get(`${ROOT}/online`);
  }

  /** Those of a department. */
  department(departmentId: string): Promise<AgentRecord[]> {
    return this.#get(`${ROOT}/department/${encodeURIComponent(departmentId)}`);
  }

  /** One agent, offline or not. */
  agent(agentId: string): Promise<AgentRecord> {
    return this.#get(`${ROOT}/agent/${encodeURIComponent(agentId)}`);
  }

  /** How many agents of each department are what, and how many customers wait there. */
  stats(): Promise<DepartmentStats[]> {
    return this.#get(`${ROOT}/stats`);
  }

  /** Takes a conversation that waits, or one that is offered. */
  claim(sessionId: string): Promise<AssignedData> {
    return this.#post(`/api/sessions/${encodeURIComponent(sessionId)}/assign`, {});
  }

  /** Leaves one that is offered to the next agent. */
  decline(sessionId: string): Promise<OfferEndedData> {
    return this.#post(`/api/sessions/${encodeURIComponent(sessionId)}/decline`);
  }

  #get<T>(path: string): Promise<T> {
    return requestData(this.#options, path);
  }

  /** A logout is often the last thing a page does, so it may outlive its page. */
  #post<T>(path: string, body?: object): Promise<T> {
    return requestData(this.#options, path, { method: "POST", body, keepalive: true });
  }
}
