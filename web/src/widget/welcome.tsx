/** What a visitor finds before the first message. */
import { Icon } from "../ui/icons.tsx";
import { useTexts } from "../ui/language.tsx";
import { TEXTS } from "./texts.ts";

export function Welcome({ onAsk }: { onAsk: (text: string) => void }) {
  const texts = useTexts(TEXTS);
  return (
    <div class="welcome" data-testid="welcome">
      <span class="welcome-face" aria-hidden="true">
        <Icon name="chat" />
      </span>
      <h2>{texts.greeting}</h2>
      <p class="muted">{texts.greetingText}</p>
      <ul class="suggestions">
        {texts.suggestions.map((text) => (
          <li key={text}>
            <button type="button" class="suggestion" onClick={() => onAsk(text)}>
              {text}
              <Icon name="arrow" />
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
