/**
 * Document 000's monitor of a session for pages without a framework: it shows who is connected in
 * the elements `customer-indicator`, `agent-indicator` and `connected-users` where a page has them,
 * and tells everybody else with a DOM event `connectionStatusUpdate`.
 *
 * Every `on...` and `update...` method may be overridden.
 */
import { EXHAUSTED_TEXT } from "../core/retry.ts";
import type {
  ConnectedUser,
  ConnectionStatus,
  ServerFrame,
  StatusUpdateData,
  UserType,
} from "../session/frames.ts";
import type { LinkState } from "../core/link.ts";
import { StatusFeed, type StatusFeedOptions } from "./feed.ts";

/** The detail of a `connectionStatusUpdate` event. */
export interface StatusUpdateDetail {
  sessionId: string;
  status: ConnectionStatus;
}

export type MonitorOptions = Pick<StatusFeedOptions, "token" | "openSocket" | "random">;

export class LiveChatStatusMonitor {
  readonly maxReconnectAttempts = 5;
  readonly sessionId: string;
  #feed: StatusFeed;

  constructor(
    wsURL: string,
    sessionId: string,
    userId: string,
    userType: UserType,
    options: MonitorOptions = {},
  ) {
    this.sessionId = sessionId;
    this.#feed = new StatusFeed({ ...options, wsURL, sessionId, userId, userType });
    this.#feed.on("frame", (frame) => this.handleMessage(frame));
    this.#feed.on("exhausted", () => this.onExhausted());
  }

  /** What is known of the connection. */
  get state(): LinkState {
    return this.#feed.state;
  }

  /** Attempts since the connection was lost. */
  get reconnectAttempts(): number {
    return "attempt" in this.state ? this.state.attempt : 0;
  }

  connect(): void {
    this.#feed.connect();
  }

  disconnect(): void {
    this.#feed.disconnect();
  }

  /** One frame of the server. Types it does not know are logged and ignored. */
  handleMessage(message: ServerFrame): void {
    switch (message.type) {
      case "connection_status_update":
        return this.onConnectionStatusUpdate(message.data);
      case "connection_established":
        return this.onConnectionEstablished(message.data);
      case "typing_indicator":
        return this.onTypingIndicator(message.data);
      default:
        console.log("Unknown message type:", message.type);
    }
  }

  onConnectionStatusUpdate({ session_id, connection_status }: StatusUpdateData): void {
    this.updateConnectionUI(connection_status);
    const detail: StatusUpdateDetail = { sessionId: session_id, status: connection_status };
    document.dispatchEvent(new CustomEvent("connectionStatusUpdate", { detail }));
  }

  onConnectionEstablished(_data: object): void {}

  onTypingIndicator(_data: object): void {}

  /** The eager attempts are used up; it goes on every 30 to 60 seconds. */
  onExhausted(): void {
    console.error(EXHAUSTED_TEXT);
  }

  updateConnectionUI(status: ConnectionStatus): void {
    show("customer-indicator", status.customer_connected, `${status.total_customer} customer(s)`);
    show("agent-indicator", status.agent_connected, `${status.total_agent} agent(s)`);
    this.updateUserList(status.users);
  }

  updateUserList(users: Record<string, ConnectedUser>): void {
    const list = document.getElementById("connected-users");
    list?.replaceChildren(...Object.values(users).map(userItem));
  }
}

function show(id: string, isOnline: boolean, text: string): void {
  const indicator = document.getElementById(id);
  if (!indicator) return;
  indicator.className = isOnline ? "online" : "offline";
  indicator.textContent = text;
}

/** Ids and names come from strangers, so they go in as text and never as markup. */
function userItem({ user_id, user_name, user_type, joined_at }: ConnectedUser): HTMLElement {
  const letter = (Array.from(user_name ?? user_id)[0] ?? "?").toUpperCase();
  const joined = `Joined: ${new Date(joined_at).toLocaleTimeString()}`;
  const info = element("user-info", [
    element("user-name", [user_name ?? user_id]),
    element("user-type", [user_type]),
    element("join-time", [joined]),
  ]);
  return element(`user-item ${user_type}`, [element("user-avatar", [letter]), info]);
}

function element(className: string, children: (string | HTMLElement)[]): HTMLElement {
  const made = document.createElement("div");
  made.className = className;
  made.append(...children);
  return made;
}
