/** Who is connected: avatar letter, name, type and since when. */
import type { ConnectedUser, ConnectionStatus } from "@switchboard/client/session";
import { useLanguage, useTexts } from "../ui/language.tsx";
import { TEXTS } from "./texts.ts";

interface PeopleProps {
  status: ConnectionStatus | null;
  selfId: string | undefined;
  /** Whether this is what the server says now, or what it said last. */
  isLive: boolean;
}

export function People({ status, selfId, isLive }: PeopleProps) {
  const texts = useTexts(TEXTS);
  const users = Object.values(status?.users ?? {}).sort((one, other) =>
    one.joined_at.localeCompare(other.joined_at),
  );
  return (
    <div class={isLive ? "people" : "people stale"} data-testid="people">
      <h3 class="visually-hidden">{texts.people}</h3>
      {users.length === 0 && (
        <p class="muted people-empty">{status ? texts.nobody : texts.unknown}</p>
      )}
      <ul>
        {users.map((user) => (
          <Person key={user.user_id} user={user} isSelf={user.user_id === selfId} />
        ))}
      </ul>
    </div>
  );
}

function Person({ user, isSelf }: { user: ConnectedUser; isSelf: boolean }) {
  const texts = useTexts(TEXTS);
  const { language } = useLanguage();
  const name = user.user_name ?? user.user_id;
  const joined = new Date(user.joined_at).toLocaleTimeString(language, { timeStyle: "short" });
  return (
    <li class="person" data-user={user.user_id}>
      <Avatar name={name} type={user.user_type} />
      <span class="person-words">
        <span class="person-name" title={user.user_id}>
          {name}
        </span>
        <span class="muted">
          {texts.types[user.user_type] ?? user.user_type}
          {isSelf && ` (${texts.you})`}, {texts.since(joined)}
        </span>
      </span>
    </li>
  );
}

export function Avatar({ name, type }: { name: string; type: string }) {
  return (
    <span class={`avatar ${type}`} aria-hidden="true">
      {(Array.from(name)[0] ?? "?").toUpperCase()}
    </span>
  );
}
