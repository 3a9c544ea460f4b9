/** Sends a GET request of the reference to this server and shows the answer. */
import { useState } from "preact/hooks";
import { CodeBlock } from "../ui/code.tsx";
import { Icon } from "../ui/icons.tsx";
import { useTexts } from "../ui/language.tsx";
import { addressOf, type Filled, type Operation } from "./openapi.ts";
import { TEXTS } from "./texts.ts";

/** A longer answer is cut: a page of this length is slow to show and nobody reads it. */
const ANSWER_CHARS_MAX = 20_000;

interface Answer {
  head: string;
  isGood: boolean;
  body: string;
}

interface TryItProps {
  operation: Operation;
  token: string;
  filled: Filled;
  onFill: (name: string, value: string) => void;
}

export function TryIt({ operation, token, filled, onFill }: TryItProps) {
  const texts = useTexts(TEXTS);
  const [isBusy, setBusy] = useState(false);
  const [answer, setAnswer] = useState<Answer | null>(null);
  const send = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setAnswer(await call(addressOf(operation, filled), token, texts));
    setBusy(false);
  };
  const fields = operation.parameters.filter(({ in: place }) => place !== "header");
  return (
    <form class="try" onSubmit={send} data-testid="try">
      {fields.map(({ name, in: place, required }) => (
        <div class="field" key={name}>
          <label for={`${operation.id}-${name}`}>
            <code>{name}</code>
          </label>
          <input
            class="input mono"
            id={`${operation.id}-${name}`}
            required={required || place === "path"}
            value={filled[name] ?? ""}
            onInput={(event) => onFill(name, event.currentTarget.value)}
          />
        </div>
      ))}
      <button type="submit" class="button primary" disabled={isBusy} data-testid="try-send">
        <Icon name="play" />
        {isBusy ? texts.sending : texts.send}
      </button>
      <div class="try-answer" role="status">
        {answer && (
          <>
            <p>
              <span class={answer.isGood ? "tag good" : "tag bad"} data-testid="try-status">
                {answer.head}
              </span>
            </p>
            {answer.body && <CodeBlock text={answer.body} label={texts.answer} />}
          </>
        )}
      </div>
    </form>
  );
}

async function call(path: string, token: string, texts: (typeof TEXTS)["en"]): Promise<Answer> {
  const startedAt = performance.now();
  try {
    const headers = token ? { authorization: `Bearer ${token}` } : {};
    const response = await fetch(path, { headers, credentials: "omit", cache: "no-store" });
    const text = pretty(await response.text());
    const tookMs = Math.round(performance.now() - startedAt);
    const isLong = text.length > ANSWER_CHARS_MAX;
    return {
      head: `${response.status} ${response.statusText} · ${tookMs} ms`,
      isGood: response.ok,
      body: isLong ? `${text.slice(0, ANSWER_CHARS_MAX)}\n\n${texts.truncated} …` : text,
    };
  } catch {
    return { head: texts.noAnswer, isGood: false, body: "" };
  }
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
