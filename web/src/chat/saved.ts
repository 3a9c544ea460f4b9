/**
 * What the test page keeps in `sessionStorage`, so that a reload goes on with the same
 * conversation: the seats (who sits on which side, with which token), and for each seat how far the
 * others have read. What is unsent is kept by the client itself, in the same place.
 */
import type { Login } from "@switchboard/client/rest";
import { DIALECTS, type Dialect } from "./dialects.tsx";
import { browserStorage, isUuid, randomUuid } from "@switchboard/client/session";

export type Side = "customer" | "agent";

/** Who sits on one side, and what lets that user in. */
export interface Seat {
  userId: string;
  token?: string | undefined;
}

export interface Table {
  sessionId: string | null;
  customer: Seat | null;
  agent: Seat | null;
  login: Login | null;
}

/** How far the others have come with what one seat has said in one session. */
export interface Progress {
  sessionId: string;
  userId: string;
  deliveredSeq: number;
  readSeq: number;
}

export const emptyTable: Table = { sessionId: null, customer: null, agent: null, login: null };

const TABLE_KEY = "switchboard.test";
const progressKey = (side: Side) => `${TABLE_KEY}.${side}`;

/**
 * The table of this tab. A session named in the address wins over a different one that was kept;
 * where sessions are open both seats of it can be taken without more ado. There, a new visitor
 * finds both sides in a conversation already, unless the address says `start=ask`.
 */
export function loadTable(openSessions: boolean): Table {
  const known = read<Table>(TABLE_KEY);
  const address = new URLSearchParams(location.search);
  const kept = known ?? emptyTable;
  const isNew = known === null && openSessions && address.get("start") !== "ask";
  const named = address.get("session") ?? (isNew ? randomUuid() : null);
  if (!named || !isUuid(named) || named === kept.sessionId) return kept;
  return {
    ...emptyTable,
    login: kept.login,
    sessionId: named,
    customer: openSessions ? { userId: "customer_demo" } : null,
    agent: openSessions ? { userId: "agent_demo" } : null,
  };
}

export function saveTable(table: Table): void {
  write(TABLE_KEY, table);
}

/** Where a tab keeps what its clients have not sent; each side has its own name there. */
export const tabStorage = browserStorage("sessionStorage");

export const clientKey = (side: Side, sessionId: string, userId: string) =>
  `${TABLE_KEY}.${side}.${sessionId}.${userId}`;

/** How far the others have come in this session; nothing of any other. */
export function loadProgress(side: Side, sessionId: string, seat: Seat): Progress | undefined {
  const kept = read<Progress>(progressKey(side));
  const isSame = kept?.sessionId === sessionId && kept.userId === seat.userId;
  return isSame ? kept : undefined;
}

export function saveProgress(side: Side, progress: Progress): void {
  write(progressKey(side), progress);
}

/** The dialect chosen for a side; kept for longer than a tab, because it is a habit. */
export function loadDialect(side: Side): Dialect {
  const kept = habits.get(dialectKey(side));
  return DIALECTS.find((dialect) => dialect === kept) ?? "session";
}

export function saveDialect(side: Side, dialect: Dialect): void {
  habits.set(dialectKey(side), dialect);
}

const habits = browserStorage("localStorage");

const dialectKey = (side: Side) => `${TABLE_KEY}.dialect.${side}`;

function read<T>(key: string): T | null {
  try {
    return JSON.parse(sessionStorage.getItem(key) ?? "null") as T | null;
  } catch {
    return null; // storage is switched off, or somebody else wrote there
  }
}

function write(key: string, value: unknown): void {
  try {
    sessionStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Without storage everything works except the reload.
  }
}
