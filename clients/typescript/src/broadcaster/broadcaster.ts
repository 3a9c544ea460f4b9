/**
 * Document 004's producer: a method for each event, for services that know of calls, queues, chats
 * and agents. A new event is one more method, and a name in `event.ts`.
 *
 * 004's methods take the tenant first. Here a broadcaster speaks for one tenant, that of its API key,
 * so they do not; whoever serves several tenants has a key and a broadcaster for each.
 */
import { Emitter } from "../core/emitter.ts";
import type { TokenSource } from "../core/token.ts";
import type {
  Accepted,
  EventOptions,
  NewEvent,
  ProducedPayload,
  ProducibleName,
  ProducedSenderType,
} from "./event.ts";
import { Publisher, type PublisherEvents, type PublisherOptions } from "./publisher.ts";

/** How long `close` waits for the last answers, unless it is told otherwise. */
const CLOSE_MS_MAX = 10_000;

export interface BroadcasterOptions extends Omit<PublisherOptions, "baseUrl" | "token"> {
  /** Scheme, host and port. */
  baseUrl: string;
  /** With the scope `events:write`; or the token of an admin. Not for pages: who sees it can post. */
  apiKey: TokenSource;
}

/** What a queue is said to be, beside its name. */
export type QueueFigures = Omit<ProducedPayload<"queue.stats">, "queue_name">;

export class EventBroadcaster extends Emitter<PublisherEvents> {
  #publisher: Publisher;

  constructor({ baseUrl, apiKey, ...options }: BroadcasterOptions) {
    super();
    const origin = baseUrl.replace(/\/$/, "");
    this.#publisher = new Publisher({ ...options, baseUrl: origin, token: apiKey });
    this.#publisher.on("rejected", (error) => this.emit("rejected", error));
    this.#publisher.on("retry", (retry) => this.emit("retry", retry));
  }

  /** How many events have no answer yet. */
  get waiting(): number {
    return this.#publisher.waiting;
  }

  /**
   * Any event that can be produced. The promise is kept when the event is in the log, and rejects
   * with `PublishError`; it may be ignored, as may those of all methods below.
   */
  publish(event: NewEvent): Promise<Accepted> {
    return this.#publisher.add(event);
  }

  /** Done when every event of now is answered; sends them without waiting for more. */
  flush(): Promise<void> {
    return this.#publisher.flush();
  }

  /** Flushes and takes no more; what has no answer by then rejects with `closed`. */
  close({ withinMs = CLOSE_MS_MAX }: { withinMs?: number } = {}): Promise<void> {
    return this.#publisher.close(withinMs);
  }

  // === agents ===

  agentLogin(
    userId: string,
    username?: string,
    extension?: string,
    options?: EventOptions<"agent.login">,
  ): Promise<Accepted> {
    return this.#tell("agent.login", { user_id: userId, username, extension }, options);
  }

  /** An announcement: whether the agent is given conversations here does not change. */
  agentStateChange(
    userId: string,
    username: string | undefined,
    state: string,
    reason?: string,
    options?: EventOptions<"agent.state.changed">,
  ): Promise<Accepted> {
    const payload = { user_id: userId, username, state, reason };
    return this.#tell("agent.state.changed", payload, options);
  }

  agentLogout(
    userId: string,
    username?: string,
    options?: EventOptions<"agent.logout">,
  ): Promise<Accepted> {
    return this.#tell("agent.logout", { user_id: userId, username }, options);
  }

  // === calls; `uniqueId` is the telephone system's name for one ===

  callIncoming(
    uniqueId: string,
    callerId: string,
    destination: string,
    queueName?: string,
    options?: EventOptions<"call.incoming">,
  ): Promise<Accepted> {
    const payload = {
      unique_id: uniqueId,
      caller_id: callerId,
      destination,
      queue_name: queueName,
    };
    return this.#tell("call.incoming", payload, options);
  }

  callAnswered(
    uniqueId: string,
    agentId: string,
    agentName?: string,
    options?: EventOptions<"call.answered">,
  ): Promise<Accepted> {
    const payload = { unique_id: uniqueId, agent_id: agentId, agent_name: agentName };
    return this.#tell("call.answered", payload, options);
  }

  /** `duration`: whole seconds since the call began. */
  callEnded(
    uniqueId: string,
    duration: number,
    options?: EventOptions<"call.ended">,
  ): Promise<Accepted> {
    return this.#tell("call.ended", { unique_id: uniqueId, duration }, options);
  }

  callTransferred(
    uniqueId: string,
    newDestination: string,
    options?: EventOptions<"call.transferred">,
  ): Promise<Accepted> {
    const payload = { unique_id: uniqueId, new_destination: newDestination };
    return this.#tell("call.transferred", payload, options);
  }

  callHold(
    uniqueId: string,
    agentId?: string,
    agentName?: string,
    options?: EventOptions<"call.hold">,
  ): Promise<Accepted> {
    const payload = { unique_id: uniqueId, agent_id: agentId, agent_name: agentName };
    return this.#tell("call.hold", payload, options);
  }

  callUnhold(
    uniqueId: string,
    agentId?: string,
    agentName?: string,
    options?: EventOptions<"call.unhold">,
  ): Promise<Accepted> {
    const payload = { unique_id: uniqueId, agent_id: agentId, agent_name: agentName };
    return this.#tell("call.unhold", payload, options);
  }

  // === queues ===

  /** `position`: the call's place in the queue, from 1. */
  queueJoined(
    queueName: string,
    uniqueId: string,
    callerId?: string,
    position?: number,
    options?: EventOptions<"queue.joined">,
  ): Promise<Accepted> {
    const payload = {
      queue_name: queueName,
      unique_id: uniqueId,
      caller_id: callerId,
      position,
    };
    return this.#tell("queue.joined", payload, options);
  }

  /** `reason`: `connected`, `abandoned`, or the telephone system's own word. */
  queueLeft(
    queueName: string,
    uniqueId: string,
    reason?: string,
    options?: EventOptions<"queue.left">,
  ): Promise<Accepted> {
    const payload = { queue_name: queueName, unique_id: uniqueId, reason };
    return this.#tell("queue.left", payload, options);
  }

  /** `line`: what the queue rings, such as `PJSIP/1001`; the payload's `interface`. */
  queueMemberAdded(
    queueName: string,
    userId: string,
    username?: string,
    line?: string,
    options?: EventOptions<"queue.member.added">,
  ): Promise<Accepted> {
    const payload = { ...memberOf(queueName, userId, username), interface: line };
    return this.#tell("queue.member.added", payload, options);
  }

  queueMemberRemoved(
    queueName: string,
    userId: string,
    username?: string,
    options?: EventOptions<"queue.member.removed">,
  ): Promise<Accepted> {
    return this.#tell("queue.member.removed", memberOf(queueName, userId, username), options);
  }

  queueMemberPaused(
    queueName: string,
    userId: string,
    username?: string,
    options?: EventOptions<"queue.member.paused">,
  ): Promise<Accepted> {
    return this.#tell("queue.member.paused", memberOf(queueName, userId, username), options);
  }

  queueMemberUnpaused(
    queueName: string,
    userId: string,
    username?: string,
    options?: EventOptions<"queue.member.unpaused">,
  ): Promise<Accepted> {
    return this.#tell("queue.member.unpaused", memberOf(queueName, userId, username), options);
  }

  /** Volatile: a slow listener hears of the newest figures only. */
  updateQueueStats(
    queueName: string,
    stats: QueueFigures,
    options?: EventOptions<"queue.stats">,
  ): Promise<Accepted> {
    return this.#tell("queue.stats", { ...stats, queue_name: queueName }, options);
  }

  // === chats: of a conversation that the server knows, the real thing; else an announcement ===

  chatSessionStarted(
    sessionId: string,
    visitorName?: string,
    visitorEmail?: string,
    options?: EventOptions<"chat.session.started">,
  ): Promise<Accepted> {
    const payload = {
      session_id: sessionId,
      visitor_name: visitorName,
      visitor_email: visitorEmail,
    };
    return this.#tell("chat.session.started", payload, options);
  }

  chatMessageSent(
    sessionId: string,
    messageId: string | undefined,
    senderId: string,
    senderType: ProducedSenderType,
    senderName: string | undefined,
    body: string,
    options?: EventOptions<"chat.message">,
  ): Promise<Accepted> {
    const payload = {
      session_id: sessionId,
      message_id: messageId,
      sender_id: senderId,
      sender_type: senderType,
      sender_name: senderName,
      body,
    };
    return this.#tell("chat.message", payload, options);
  }

  /** Volatile. */
  chatTypingIndicator(
    sessionId: string,
    senderType: ProducedSenderType,
    name: string | undefined,
    isTyping: boolean,
    options?: EventOptions<"chat.typing">,
  ): Promise<Accepted> {
    const payload = {
      session_id: sessionId,
      sender_type: senderType,
      sender_name: name,
      is_typing: isTyping,
    };
    return this.#tell("chat.typing", payload, options);
  }

  chatSessionEnded(
    sessionId: string,
    options?: EventOptions<"chat.session.ended">,
  ): Promise<Accepted> {
    return this.#tell("chat.session.ended", { session_id: sessionId }, options);
  }

  /** To an agent; to a department with `{ fields: { to_department_id } }`. */
  chatTransferred(
    sessionId: string,
    fromAgentId: string | undefined,
    toAgentId: string | undefined,
    options?: EventOptions<"chat.transferred">,
  ): Promise<Accepted> {
    const payload = { session_id: sessionId, from_agent_id: fromAgentId, to_agent_id: toAgentId };
    return this.#tell("chat.transferred", payload, options);
  }

  // === people ===

  /** For one user, now or when it comes next. */
  sendNotification(
    userId: string,
    kind: string,
    title: string,
    body: string,
    data?: Record<string, unknown>,
    options?: EventOptions<"notification">,
  ): Promise<Accepted> {
    return this.#tell("notification", { user_id: userId, kind, title, body, data }, options);
  }

  /** For all of the tenant's staff, or whom `target` names. */
  sendAlert(title: string, body: string, options?: EventOptions<"alert">): Promise<Accepted> {
    return this.#tell("alert", { title, body }, options);
  }

  #tell<T extends ProducibleName>(
    type: T,
    payload: ProducedPayload<T>,
    { fields, target, id }: EventOptions<T> = {},
  ): Promise<Accepted> {
    // The compiler does not follow a name and its payload through a spread.
    const event = { type, payload: { ...payload, ...fields }, target, id } as NewEvent;
    return this.publish(event);
  }
}

function memberOf(queueName: string, userId: string, username: string | undefined) {
  return { queue_name: queueName, user_id: userId, username };
}
