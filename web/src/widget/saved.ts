/**
 * What the widget was asked for by its address, and what it keeps in the browser so that a reload
 * goes on with the same conversation.
 */
import type { StartedSession } from "@switchboard/client/rest";
import { browserStorage } from "@switchboard/client/session";
import { languageOf, type Language } from "../ui/language.tsx";
import type { Charge } from "./state.ts";

/** The address: `?lang=id&tenant=acme&conversation=order-7&name=Budi`, each of them optional. */
export interface Wish {
  language: Language | undefined;
  tenant: string | undefined;
  /** What the page around calls the conversation; one saved session for each. */
  conversation: string | undefined;
  name: string | undefined;
}

export function readWish(search: string): Wish {
  const query = new URLSearchParams(search);
  const text = (name: string) => query.get(name)?.trim() || undefined;
  const language = text("lang");
  return {
    language: language === undefined ? undefined : languageOf(language),
    tenant: text("tenant"),
    conversation: text("conversation"),
    name: text("name"),
  };
}

/** A started conversation. */
export interface SavedSession {
  sessionId: string;
  sessionKey: string;
  userId: string;
  token?: string | undefined;
  charge: Charge;
  /** How far the customer has read. */
  readSeq: number;
}

const storage = browserStorage("localStorage");

/** Where messages wait that the server has not taken yet. */
export function outboxPlace(wish: Wish) {
  return { storage, key: `${keyOf(wish)}.unsent` };
}

const keyOf = ({ tenant = "default", conversation = "" }: Wish) =>
  `switchboard.widget.${tenant}.${conversation}`;

export function loadSession(wish: Wish): SavedSession | null {
  try {
    const kept = JSON.parse(storage.get(keyOf(wish)) ?? "null") as SavedSession | null;
    return kept?.sessionId && kept.sessionKey ? kept : null;
  } catch {
    return null; // somebody else wrote there
  }
}

export function saveSession(wish: Wish, session: SavedSession | null): void {
  if (session) storage.set(keyOf(wish), JSON.stringify(session));
  else storage.remove(keyOf(wish));
}

export function sessionOf({
  session_id,
  session_key,
  user_id,
  token,
}: StartedSession): SavedSession {
  return {
    sessionId: session_id,
    sessionKey: session_key,
    userId: user_id,
    token,
    charge: "bot",
    readSeq: 0,
  };
}

/** A conversation that exists already; where sessions are open its name alone lets a customer in. */
export function sessionNamed(conversation: string): SavedSession {
  return {
    sessionId: conversation,
    sessionKey: conversation,
    userId: "",
    charge: "bot",
    readSeq: 0,
  };
}
