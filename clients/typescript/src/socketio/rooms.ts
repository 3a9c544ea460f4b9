/**
 * The conversations a client wants to be in: joins them on every new line, asks for what may have
 * been missed meanwhile, and lets every message through once.
 *
 * It knows neither outbox nor typing.
 */
import { Seen } from "../core/seen.ts";
import type { Connection } from "./connection.ts";
import {
  ChatError,
  type Ack,
  type HistoryPage,
  type JoinAck,
  type MessageReceived,
} from "./events.ts";

/** The largest page the server gives. */
const PAGE_MAX = 200;

/** The newest messages, where a client has seen none of a conversation. */
const FIRST_PAGE = 50;

/** No more pages are read after a resync; who was away for longer scrolls back by itself. */
const RESYNC_PAGES_MAX = 10;

/** How often a join that nobody answers is repeated on the same line. */
const JOIN_TRIES_MAX = 3;

export interface HistoryRange {
  /** Seqs. */
  before?: number;
  after?: number;
  limit?: number;
}

interface Room {
  isJoined: boolean;
  waiters: ((answer: JoinAck) => void)[];
}

interface HistoryAck extends Ack {
  messages?: MessageReceived[];
  has_more?: boolean;
}

export class Rooms {
  #connection: Connection;
  #deliver: (message: MessageReceived) => void;
  #settle: (message: MessageReceived) => void;
  #rooms = new Map<string, Room>();
  /**
   * Up to where each conversation is known without a hole, also of those that were left. It begins
   * with the first join: the past before that is the page's to load, not ours to announce.
   */
  #knownSeq = new Map<string, number>();
  #seen = new Seen();

  /** `settle` hears of every message, wherever it comes from; `deliver` of each new one once. */
  constructor(
    connection: Connection,
    settle: (message: MessageReceived) => void,
    deliver: (message: MessageReceived) => void,
  ) {
    this.#connection = connection;
    this.#settle = settle;
    this.#deliver = deliver;
  }

  get ids(): string[] {
    return [...this.#rooms.keys()];
  }

  /** Whether this conversation is wanted, joined already or not. */
  has(id: string): boolean {
    return this.#rooms.has(id);
  }

  /** Wants a conversation from now on; the answer comes once the server has given one. */
  join(id: string): Promise<JoinAck> {
    const room = this.#rooms.get(id) ?? { isJoined: false, waiters: [] };
    this.#rooms.set(id, room);
    if (room.isJoined) return Promise.resolve({ success: true, conversationId: id });
    const isAsked = room.waiters.length > 0;
    const answer = new Promise<JoinAck>((resolve) => room.waiters.push(resolve));
    if (!isAsked) void this.#ask(id, room);
    return answer;
  }

  leave(id: string): Promise<JoinAck> {
    this.#forget(id, { success: false, code: "left", error: "left before it was joined" });
    return this.#connection
      .ask<JoinAck>("leave_conversation", id)
      .then((answer) => answer ?? { success: true, conversationId: id });
  }

  /** Wants none any more. */
  clear(): void {
    for (const id of this.ids) {
      this.#forget(id, {
        success: false,
        code: "left",
        error: "disconnected before it was joined",
      });
    }
  }

  /** There is a new line. */
  onReady(recovered: boolean): void {
    for (const [id, room] of this.#rooms) {
      room.isJoined &&= recovered;
      if (!room.isJoined) void this.#ask(id, room);
    }
  }

  /** Lets a message through if it has not been told before. */
  accept(message: MessageReceived): void {
    if (this.#note(message)) this.#deliver(message);
  }

  /** A page of the past. What it holds is not told again when it comes over the line. */
  async history(id: string, range: HistoryRange = {}): Promise<HistoryPage> {
    const page = await this.#page(id, range);
    for (const message of page.messages) this.#note(message);
    return page;
  }

  /** Tells what the server could not replay: everything behind the last message known. */
  resync(): void {
    for (const id of this.ids) {
      const known = this.#knownSeq.get(id);
      void (known === undefined ? this.#tellNewest(id) : this.#catchUp(id, known));
    }
  }

  async #ask(id: string, room: Room): Promise<void> {
    // Before the first message that this line may bring, which would move the mark over the hole.
    const known = this.#knownSeq.get(id);
    for (let tries = 0; tries < JOIN_TRIES_MAX; tries += 1) {
      const answer = await this.#connection.ask<JoinAck>("join_conversation", id);
      if (this.#rooms.get(id) !== room) return;
      if (answer?.success) {
        room.isJoined = true;
        // The server replays only what it knows to be missing: nothing, for instance, to a socket
        // that left on purpose and is back.
        void (known === undefined ? this.#learn(id) : this.#catchUp(id, known));
        return this.#answer(room, answer);
      }
      if (answer && answer.retry_after === undefined) return this.#forget(id, answer);
      if (!this.#connection.isReady) return; // the next line asks again
      if (answer?.retry_after) await pause(answer.retry_after * 1000);
    }
    this.#answer(room, { success: false, code: "timeout", error: "the server does not answer" });
  }

  #forget(id: string, answer: JoinAck): void {
    const room = this.#rooms.get(id);
    this.#rooms.delete(id);
    if (room) this.#answer(room, answer);
  }

  #answer(room: Room, answer: JoinAck): void {
    for (const waiter of room.waiters.splice(0)) waiter(answer);
  }

  #note(message: MessageReceived): boolean {
    const { conversationId, messageId, seq } = message;
    this.#settle(message);
    const known = this.#knownSeq.get(conversationId) ?? 0;
    this.#knownSeq.set(conversationId, Math.max(known, seq));
    return this.#seen.add(messageId);
  }

  /** Finds out where the conversation stands, without telling any of it. */
  async #learn(id: string): Promise<void> {
    const page = await this.#page(id, { limit: 1 }).catch(() => null);
    const seq = page?.messages.at(-1)?.seq ?? 0;
    if (page) this.#knownSeq.set(id, Math.max(seq, this.#knownSeq.get(id) ?? 0));
  }

  async #catchUp(id: string, known: number): Promise<void> {
    let after = known;
    for (let pages = 0; pages < RESYNC_PAGES_MAX; pages += 1) {
      const page = await this.#page(id, { after, limit: PAGE_MAX }).catch(() => null);
      if (!page) return; // no line, or no right to read any more; the next line begins anew
      this.#tell(page);
      after = page.messages.at(-1)?.seq ?? after;
      if (!page.hasMore || page.messages.length === 0) return;
    }
  }

  async #tellNewest(id: string): Promise<void> {
    const page = await this.#page(id, { limit: FIRST_PAGE }).catch(() => null);
    if (page) this.#tell(page);
  }

  #tell(page: HistoryPage): void {
    for (const message of page.messages) this.accept(message);
  }

  async #page(conversationId: string, range: HistoryRange): Promise<HistoryPage> {
    const request = { conversationId, ...range };
    const answer = await this.#connection.ask<HistoryAck>("history", request);
    if (!answer) throw new ChatError("there is no connection", "disconnected");
    if (!answer.success) {
      const { code = "refused", error = code } = answer;
      throw new ChatError(error, code);
    }
    return { messages: answer.messages ?? [], hasMore: answer.has_more ?? false };
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
