/** The input of a pane: Enter sends, Shift and Enter begin a new line. */
import { useState } from "preact/hooks";
import { MESSAGE_BYTES_MAX } from "@switchboard/client/session";
import { Icon } from "../ui/icons.tsx";
import { useTexts } from "../ui/language.tsx";
import type { Side } from "./saved.ts";
import { TEXTS } from "./texts.ts";
import type { Session } from "./use-session.ts";

const encoder = new TextEncoder();

export function Composer({ side, session }: { side: Side; session: Session }) {
  const texts = useTexts(TEXTS);
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const { client, link } = session;
  const isOver = link.phase === "ended";

  const write = (value: string) => {
    setText(value);
    setProblem(null);
    if (value.trim()) client?.typing();
    else client?.stopTyping();
  };
  const send = () => {
    const content = text.trim();
    if (!content || !client || isOver) return;
    if (encoder.encode(content).length > MESSAGE_BYTES_MAX) return setProblem(texts.tooLong);
    if (!client.send(content)) return setProblem(texts.outboxFull);
    setText("");
    setProblem(null);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  };

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {problem && (
        <p class="banner bad" role="alert">
          {problem}
        </p>
      )}
      <textarea
        class="input"
        rows={1}
        value={text}
        disabled={isOver}
        aria-label={texts.input(texts[side])}
        placeholder={texts.placeholder}
        data-testid="input"
        onInput={(event) => write(event.currentTarget.value)}
        onKeyDown={onKeyDown}
        onBlur={() => client?.stopTyping()}
      />
      <button
        type="submit"
        class="button primary"
        disabled={isOver}
        aria-label={texts.send}
        data-testid="send"
      >
        <Icon name="send" />
      </button>
    </form>
  );
}
