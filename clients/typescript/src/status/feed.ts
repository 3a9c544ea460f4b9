/**
 * Who is in a session, live: a connection of the session dialect that listens only. It comes back
 * by itself, and every connection begins with a snapshot, so nothing has to be resumed.
 */
import { Emitter } from "../core/emitter.ts";
import { parseFrame, type ServerFrame, type UserType } from "../session/frames.ts";
import { Link, type LinkOptions, type LinkState } from "../core/link.ts";

export interface StatusFeedOptions extends Pick<LinkOptions, "openSocket" | "random"> {
  /** `ws://` or `wss://`, host and port. */
  wsURL: string;
  sessionId: string;
  userId: string;
  userType: UserType;
  /** Not needed where the server keeps its sessions open. */
  token?: string | undefined;
}

export interface StatusFeedEvents {
  frame: ServerFrame;
  state: LinkState;
  /** So many attempts in a row have failed; from here on they are rare. */
  exhausted: number;
}

export class StatusFeed extends Emitter<StatusFeedEvents> {
  #link: Link;

  constructor(options: StatusFeedOptions) {
    super();
    this.#link = new Link({
      ...options,
      url: () => addressOf(options),
      probeText: JSON.stringify({ type: "ping" }),
      // Document 000 counts anew as soon as a connection opens.
      stableMs: 0,
    });
    this.#link.on("open", () => this.#link.markReady(0));
    this.#link.on("text", (text) => {
      const frame = parseFrame(text);
      if (frame) this.emit("frame", frame);
    });
    this.#link.on("state", (state) => this.emit("state", state));
    this.#link.on("exhausted", (attempts) => this.emit("exhausted", attempts));
  }

  get state(): LinkState {
    return this.#link.state;
  }

  connect(): void {
    this.#link.open();
  }

  disconnect(): void {
    this.#link.close();
  }
}

function addressOf({ wsURL, sessionId, userId, userType, token }: StatusFeedOptions): string {
  const path = ["ws", sessionId, userId, userType].map(encodeURIComponent).join("/");
  const query = token ? `?${new URLSearchParams({ token })}` : "";
  return `${wsURL.replace(/^http/, "ws").replace(/\/$/, "")}/${path}${query}`;
}
