/**
 * Document 001's heartbeat of an agent: says every three minutes that the agent is there, says
 * `away` while nobody looks at the page, and `offline` on logout.
 *
 * It shows nothing and ends no session by itself; who fails is told through `onFailure`.
 */
import { AgentStatusAPI, type Beat, type DeclaredStatus } from "./agents.ts";
import { ApiError } from "./core/http.ts";
import type { TokenSource } from "./core/token.ts";

/** Document 001; the server forgets an agent five minutes after its last heartbeat. */
export const HEARTBEAT_INTERVAL = 180_000;

/** What an agent may say of itself. */
export type AgentStatus = DeclaredStatus;

export type { Beat };

export interface HeartbeatFailure {
  /** The HTTP status; 0 when no answer came at all. */
  status: number;
  /** The token does not hold (any more): time to log in again. */
  isUnauthorized: boolean;
  message: string;
}

export interface HeartbeatOptions {
  token: TokenSource;
  /** Scheme, host and port; absent: where the page comes from. */
  baseUrl?: string;
  intervalMs?: number;
  /** The agent's own choice; asked before every beat. `online` by default. */
  status?: () => AgentStatus;
  /** While nobody looks at the page: say `away`, say nothing, or go on as before. */
  whenHidden?: "away" | "pause" | "keep";
  onBeat?: (beat: Beat) => void;
  onFailure?: (failure: HeartbeatFailure) => void;
}

export class AgentHeartbeat {
  #options: HeartbeatOptions;
  #api: AgentStatusAPI;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isRunning = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#api = new AgentStatusAPI(options.baseUrl, options);
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** On login: beats at once, and from then on. */
  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#page?.addEventListener("visibilitychange", this.#onVisibility);
    this.#beatAndPlan();
  }

  /** On logout: no more beats, and the server is told that the agent is gone. */
  async stop(): Promise<void> {
    if (!this.#isRunning) return;
    this.#isRunning = false;
    this.#page?.removeEventListener("visibilitychange", this.#onVisibility);
    clearTimeout(this.#timer);
    await this.#tried(() => this.#api.offline());
  }

  /** Says how the agent is now, for instance because the choice has changed. */
  async beat(): Promise<void> {
    const status = this.#isHidden ? this.#statusWhenHidden() : this.#chosen();
    const beat = await this.#tried(() => this.#api.heartbeat(status));
    if (beat) this.#options.onBeat?.(beat);
  }

  get #page(): Document | undefined {
    return globalThis.document as Document | undefined;
  }

  get #isHidden(): boolean {
    return this.#page?.hidden ?? false;
  }

  #chosen(): AgentStatus {
    return this.#options.status?.() ?? "online";
  }

  #statusWhenHidden(): AgentStatus {
    const { whenHidden = "away" } = this.#options;
    return whenHidden === "away" ? "away" : this.#chosen();
  }

  #onVisibility = (): void => {
    const { whenHidden = "away" } = this.#options;
    if (whenHidden === "keep") return;
    clearTimeout(this.#timer);
    if (whenHidden === "away" || !this.#isHidden) this.#beatAndPlan();
  };

  #beatAndPlan(): void {
    const { intervalMs = HEARTBEAT_INTERVAL } = this.#options;
    this.#timer = setTimeout(() => this.#beatAndPlan(), intervalMs);
    void this.beat();
  }

  async #tried(call: () => Promise<Beat>): Promise<Beat | null> {
    try {
      return await call();
    } catch (error) {
      // A token that could not be had is a failure without an answer.
      const { status, reason } = error instanceof ApiError ? error : new ApiError(String(error), 0);
      this.#options.onFailure?.({ status, isUnauthorized: status === 401, message: reason });
      return null;
    }
  }
}
