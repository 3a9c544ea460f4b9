/** The input: Enter sends, Shift and Enter begin a new line; and the way to a person. */
import { useState } from "preact/hooks";
import { Icon } from "../ui/icons.tsx";
import { useTexts } from "../ui/language.tsx";
import type { Refusal } from "./conversation.ts";
import type { Talk } from "./hooks.ts";
import { TEXTS } from "./texts.ts";

export function Composer({ talk }: { talk: Talk }) {
  const texts = useTexts(TEXTS);
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<Refusal | null>(null);
  const { conversation, chat, connection } = talk;
  const isOver = connection.phase === "ended";

  const write = (value: string) => {
    setText(value);
    setProblem(null);
    if (value.trim()) conversation.typing();
    else conversation.stopTyping();
  };
  const send = () => {
    const content = text.trim();
    if (!content || isOver) return;
    const refusal = conversation.send(content);
    setProblem(refusal);
    if (!refusal) setText("");
  };
  return (
    <div class="bottom-bar">
      {chat.charge === "bot" && !isOver && (
        <button
          type="button"
          class="person-button"
          data-testid="person"
          onClick={() => conversation.send(texts.personWords)}
        >
          <Icon name="person" />
          {texts.person}
        </button>
      )}
      <form
        class="composer"
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        {problem && (
          <p class="banner bad" role="alert">
            {texts[problem]}
          </p>
        )}
        <textarea
          class="composer-input"
          rows={1}
          value={text}
          disabled={isOver}
          aria-label={texts.input}
          placeholder={texts.placeholder}
          data-testid="input"
          onInput={(event) => write(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            send();
          }}
          onBlur={() => conversation.stopTyping()}
        />
        <button
          type="submit"
          class="send-button"
          disabled={isOver || text.trim() === ""}
          aria-label={texts.send}
          data-testid="send"
        >
          <Icon name="send" />
        </button>
      </form>
    </div>
  );
}
