/** What a pane shows before its side is connected: start a conversation, sign in, or join. */
import { useState } from "preact/hooks";
import type { ApiError, Login } from "@switchboard/client/rest";
import { api } from "../ui/api.ts";
import { Icon } from "../ui/icons.tsx";
import { useTexts } from "../ui/language.tsx";
import { TEXTS } from "./texts.ts";

/** The account that `--demo` makes and prints; it listens on loopback only. */
const DEMO_LOGIN = { email: "dewi@demo.example", password: "demo" };

/** Runs what a form asks for; says when it is busy and why it failed. */
function useSubmit(action: (form: FormData) => Promise<void>) {
  const texts = useTexts(TEXTS);
  const [isBusy, setBusy] = useState(false);
  const [failure, setFailure] = useState<string | null>(null);
  const onSubmit = async (event: SubmitEvent) => {
    event.preventDefault();
    setBusy(true);
    setFailure(null);
    try {
      await action(new FormData(event.target as HTMLFormElement));
    } catch (error) {
      const { status, message } = error as ApiError;
      setFailure(texts.failed(status === 0 ? texts.noAnswer : message));
    }
    setBusy(false);
  };
  return { isBusy, failure, onSubmit };
}

export function CustomerWelcome({ onStart }: { onStart: (name: string) => Promise<void> }) {
  const texts = useTexts(TEXTS);
  const { isBusy, failure, onSubmit } = useSubmit((form) =>
    onStart(String(form.get("name")).trim() || texts.defaultName),
  );
  return (
    <form class="welcome" onSubmit={onSubmit} data-testid="start-form">
      <span class="welcome-icon">
        <Icon name="chat" />
      </span>
      <h3>{texts.startTitle}</h3>
      <p class="muted">{texts.startText}</p>
      <div class="field">
        <label for="start-name">{texts.name}</label>
        <input
          class="input"
          id="start-name"
          name="name"
          maxLength={80}
          autocomplete="off"
          placeholder={texts.defaultName}
          data-testid="start-name"
        />
      </div>
      <Failure text={failure} />
      <button type="submit" class="button primary" disabled={isBusy} data-testid="start">
        {isBusy ? texts.starting : texts.start}
      </button>
    </form>
  );
}

interface AgentWelcomeProps {
  needsLogin: boolean;
  /** The demo has an agent whose account everybody may use. */
  isDemo: boolean;
  hasSession: boolean;
  onLogin: (login: Login) => void;
  onJoin: () => void;
}

export function AgentWelcome(props: AgentWelcomeProps) {
  const { needsLogin, isDemo, hasSession, onLogin, onJoin } = props;
  const texts = useTexts(TEXTS);
  if (needsLogin) return <LoginForm isDemo={isDemo} onLogin={onLogin} />;
  return (
    <div class="welcome">
      <span class="welcome-icon">
        <Icon name="plug" />
      </span>
      <h3>{hasSession ? texts.joinTitle : texts.agentIdleTitle}</h3>
      <p class="muted">{hasSession ? texts.joinText : texts.agentIdleText}</p>
      {hasSession && (
        <button type="button" class="button primary" data-testid="join" onClick={onJoin}>
          {texts.join}
        </button>
      )}
    </div>
  );
}

function LoginForm({ isDemo, onLogin }: Pick<AgentWelcomeProps, "isDemo" | "onLogin">) {
  const texts = useTexts(TEXTS);
  const { isBusy, failure, onSubmit } = useSubmit(async (form) =>
    onLogin(await api.login(String(form.get("email")), String(form.get("password")))),
  );
  return (
    <form class="welcome" onSubmit={onSubmit} data-testid="login-form">
      <span class="welcome-icon">
        <Icon name="plug" />
      </span>
      <h3>{texts.loginTitle}</h3>
      <p class="muted">
        {texts.loginText} {isDemo && texts.demoLogin}
      </p>
      <div class="field">
        <label for="login-email">{texts.email}</label>
        <input
          class="input"
          id="login-email"
          name="email"
          type="email"
          required
          defaultValue={isDemo ? DEMO_LOGIN.email : ""}
          autocomplete="username"
        />
      </div>
      <div class="field">
        <label for="login-password">{texts.password}</label>
        <input
          class="input"
          id="login-password"
          name="password"
          type="password"
          required
          defaultValue={isDemo ? DEMO_LOGIN.password : ""}
          autocomplete="current-password"
        />
      </div>
      <Failure text={failure} />
      <button type="submit" class="button primary" disabled={isBusy}>
        {texts.login}
      </button>
    </form>
  );
}

function Failure({ text }: { text: string | null }) {
  return (
    <div role="alert" class="failure">
      {text && (
        <p class="banner bad" data-testid="failure">
          <Icon name="alert" />
          {text}
        </p>
      )}
    </div>
  );
}
