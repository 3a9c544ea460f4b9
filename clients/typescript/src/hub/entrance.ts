/**
 * The way in: the address of a connection, the token it carries, and why a server lets nobody in.
 */
import { CloseCode } from "../core/close.ts";
import { ApiError, request } from "../core/http.ts";
import type { LinkOptions, Refusal } from "../core/link.ts";
import { currentToken, type TokenSource } from "../core/token.ts";
import type { ConnectedPayload } from "./frames.ts";

/** What a refused upgrade comes to. Any other refusal may pass. */
const REFUSALS: Readonly<Record<number, number>> = {
  401: CloseCode.tokenEnded,
  403: CloseCode.forbidden,
  404: CloseCode.noSuchSession,
};

/** What a subprotocol may consist of; tokens and API keys do. */
const PROTOCOL_TEXT = /^[\w!#$%&'*+.^`|~-]+$/;

/** Whom a visitor says it is, and where it wants to go; all of it may be left out. */
export interface Visitor {
  tenant?: string;
  /** One of several conversations of its token. */
  sessionId?: string;
  /** For the conversation that begins when there is no token. */
  name?: string;
  email?: string;
  /** A UUID. */
  departmentId?: string;
}

export interface HubOptions extends Pick<LinkOptions, "openSocket" | "random"> {
  /** Scheme, host and port; absent: where the page comes from. */
  baseUrl?: string;
  /** Of an agent, admin or service, or an API key; of a visitor its token or session key. */
  token?: TokenSource;
  /** Connects to `/ws/public` in place of `/ws`. */
  visitor?: Visitor;
  /** The cursor of the last event that is known already; absent: what happens from now on. */
  after?: string;
  /** Where the token goes. Addresses end up in logs, so `url` is for proxies that allow no other. */
  tokenIn?: "protocol" | "url";
  /** How long `sendMessage` tries; 60,000 ms. */
  sendMsMax?: number;
}

export class Entrance {
  #options: HubOptions;
  #bearer: string | undefined;

  constructor(options: HubOptions) {
    this.#options = options;
    if (typeof options.token === "string" && options.token) this.bear(options.token);
  }

  /** Whether somebody may know a newer token than the one that has just ended. */
  get isRenewable(): boolean {
    return typeof this.#options.token === "function";
  }

  /** Takes a token for the connections to come. */
  bear(token: string): void {
    if (this.#options.tokenIn !== "url" && !PROTOCOL_TEXT.test(token)) {
      throw new Error("token: has characters that no token has");
    }
    this.#bearer = token;
  }

  /** Asks for the newest token. */
  async renew(): Promise<void> {
    const token = await currentToken(this.#options.token);
    if (token) this.bear(token);
  }

  /** What lets a visitor in again; without it the next connection would begin a conversation anew. */
  keepKey({ session_key, token }: ConnectedPayload): void {
    if (!this.#options.token) this.#bearer = session_key ?? token ?? this.#bearer;
  }

  protocols(): string[] {
    return this.#bearer && this.#options.tokenIn !== "url" ? ["bearer", this.#bearer] : [];
  }

  url(events: string[] | undefined, after: string | undefined): string {
    const query = this.#visitorQuery();
    if (events) query.set("events", events.join(","));
    if (after) query.set("after", after);
    if (this.#bearer && this.#options.tokenIn === "url") query.set("token", this.#bearer);
    return this.#origin.replace(/^http/, "ws") + this.#path + textOf(query);
  }

  /** Asks for the same without an upgrade: whoever may not come in is told why. */
  async diagnose(): Promise<Refusal | null> {
    try {
      const options = { baseUrl: this.#origin, token: this.#bearer };
      await request(options, this.#path + textOf(this.#visitorQuery()));
    } catch (error) {
      const { status, reason } = error as ApiError;
      const code = REFUSALS[status];
      const isPassing = code === CloseCode.tokenEnded && this.isRenewable;
      if (code !== undefined && !isPassing) return { code, reason };
    }
    return null;
  }

  get #path(): string {
    return this.#options.visitor ? "/ws/public" : "/ws";
  }

  /** Scheme, host and port, `http` or `https`. */
  get #origin(): string {
    const { baseUrl = globalThis.location?.origin ?? "" } = this.#options;
    return baseUrl.replace(/^ws/, "http").replace(/\/$/, "");
  }

  #visitorQuery(): URLSearchParams {
    const { tenant, sessionId, name, email, departmentId } = this.#options.visitor ?? {};
    // What a conversation begins with is of no use to one that has begun.
    const begins = !this.#bearer && { name, email, department_id: departmentId };
    const said = Object.entries({ tenant, session_id: sessionId, ...begins });
    return new URLSearchParams(said.filter((each): each is [string, string] => !!each[1]));
  }
}

function textOf(query: URLSearchParams): string {
  return query.size > 0 ? `?${query}` : "";
}
