/** Which dialect a side of the test page speaks: the choice, and the control for it. */
import type { About } from "@switchboard/client/rest";
import type { Transport } from "@switchboard/client/socketio";
import { useTexts } from "../ui/language.tsx";
import type { Side } from "./saved.ts";
import { TEXTS } from "./texts.ts";

export type Dialect = "session" | "socketio" | "polling";

export const DIALECTS: readonly Dialect[] = ["session", "socketio", "polling"];

/** The transports of the choices that are Socket.IO. */
export const TRANSPORTS: Partial<Record<Dialect, readonly Transport[]>> = {
  socketio: ["websocket"],
  polling: ["polling"],
};

/** Whether this server speaks more than the session dialect. */
export function hasSocketIo({ dialects }: About): boolean {
  return dialects.some(({ name }) => /^socket/i.test(name));
}

interface DialectChoiceProps {
  side: Side;
  chosen: Dialect;
  onChoose: (dialect: Dialect) => void;
}

export function DialectChoice({ side, chosen, onChoose }: DialectChoiceProps) {
  const texts = useTexts(TEXTS);
  return (
    <select
      class="dialect"
      aria-label={texts.dialect(texts[side])}
      value={chosen}
      data-testid="dialect"
      onChange={(event) => onChoose(event.currentTarget.value as Dialect)}
    >
      {DIALECTS.map((dialect) => (
        <option key={dialect} value={dialect}>
          {texts.dialects[dialect]}
        </option>
      ))}
    </select>
  );
}
