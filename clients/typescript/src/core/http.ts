/**
 * One REST call: the token, the deadline, and the server's refusals as `ApiError`.
 *
 * Cookies are neither sent nor kept: who asks is who the token says, and a page may be several
 * people at once. It knows no endpoint.
 */
import { currentToken, type TokenSource } from "./token.ts";

/** No call takes longer unless it says so. */
const CALL_MS_MAX = 15_000;

/** Who has what a refusal is about (409 of a claim). */
export interface Holder {
  agent_id: string;
  name: string;
}

/** What a refusal says beyond its text. */
export interface RefusalDetails {
  code?: string | undefined;
  retryAfter?: number | undefined;
  reason?: string | undefined;
  holder?: Holder | undefined;
  data?: unknown;
}

/** A refusal in the server's own words; `status` is 0 when no answer came at all. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly code: string | undefined;
  /** Seconds until another try is welcome. */
  readonly retryAfter: number | undefined;
  /** The part of `message` that says what is wrong in this very case. */
  readonly reason: string;
  /** Who was quicker, when somebody was. */
  readonly holder: Holder | undefined;
  /** The `data` of the answer, where a refusal has some. */
  readonly data: unknown;

  constructor(message: string, status: number, details: RefusalDetails = {}) {
    super(message);
    this.status = status;
    this.code = details.code;
    this.retryAfter = details.retryAfter;
    this.reason = details.reason ?? message;
    this.holder = details.holder;
    this.data = details.data;
  }
}

export interface RestOptions {
  /** Scheme, host and port; absent: where the page comes from. */
  baseUrl?: string | undefined;
  token?: TokenSource | undefined;
}

export interface Call {
  /** `POST` with a body, else `GET`. */
  method?: "GET" | "POST";
  body?: unknown;
  /** In place of `body`: the same as JSON text already. */
  text?: string;
  timeoutMs?: number;
  /** Ends the call before its time. */
  signal?: AbortSignal;
  /** It goes out even if it is the last thing a page does. */
  keepalive?: boolean;
}

/** The whole answer; what most calls want is in its `data`. */
export async function request<T>(
  { baseUrl = "", token }: RestOptions,
  path: string,
  call: Call = {},
): Promise<T> {
  const { timeoutMs = CALL_MS_MAX, keepalive = false, signal } = call;
  const body = call.text ?? (call.body === undefined ? undefined : JSON.stringify(call.body));
  const bearer = await currentToken(token);
  const deadline = AbortSignal.timeout(timeoutMs);
  const headers: Record<string, string> = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (bearer) headers["authorization"] = `Bearer ${bearer}`;
  const response = await fetch(baseUrl + path, {
    method: call.method ?? (body === undefined ? "GET" : "POST"),
    headers,
    credentials: "omit",
    cache: "no-store",
    keepalive,
    signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
    ...(body !== undefined && { body }),
  }).catch((error: unknown) => {
    throw new ApiError(String(error), 0);
  });
  const answer: unknown = await response.json().catch(() => null);
  if (response.ok && answer !== null) return answer as T;
  throw refusal(response, answer);
}

/** The `data` of an answer. */
export async function requestData<T>(
  options: RestOptions,
  path: string,
  call: Call = {},
): Promise<T> {
  const envelope = await request<{ data: T }>(options, path, call);
  return envelope.data;
}

interface Said {
  message?: string;
  error?: string;
  code?: string;
  data?: Partial<Holder> | null;
}

function refusal(response: Response, answer: unknown): ApiError {
  const { message, error, code, data } = (answer ?? {}) as Said;
  const { agent_id, name = agent_id ?? "" } = data ?? {};
  const text = [message, error].filter(Boolean).join(": ");
  const wait = Number(response.headers.get("retry-after") ?? Number.NaN);
  return new ApiError(text || `HTTP ${response.status}`, response.status, {
    code,
    reason: error ?? message,
    retryAfter: Number.isFinite(wait) ? wait : undefined,
    holder: agent_id === undefined ? undefined : { agent_id, name },
    data,
  });
}
