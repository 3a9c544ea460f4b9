/**
 * The test page: a customer and an agent side by side. This file owns the table (which
 * conversation, who sits where); a pane owns everything about its own connection.
 */
import "../ui/said.css";
import "./chat.css";
import { type ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { About, Login, StartedSession } from "@switchboard/client/rest";
import { api } from "../ui/api.ts";
import { CopyButton } from "../ui/code.tsx";
import { Icon } from "../ui/icons.tsx";
import { useTexts } from "../ui/language.tsx";
import { mount } from "../ui/shell.tsx";
import { hasSocketIo, type Dialect } from "./dialects.tsx";
import { Pane } from "./pane.tsx";
import {
  emptyTable,
  loadDialect,
  loadTable,
  saveDialect,
  saveTable,
  type Seat,
  type Side,
  type Table,
} from "./saved.ts";
import { TEXTS } from "./texts.ts";
import { AgentWelcome, CustomerWelcome } from "./welcome.tsx";

/** How long to wait before asking a silent server again what it is. */
const ABOUT_RETRY_MS = 3000;

function TestPage() {
  const { about, isSilent } = useAbout();
  const texts = useTexts(TEXTS);
  if (about) return <SideBySide about={about} />;
  return (
    <>
      <Head />
      {isSilent && (
        <p class="banner bad" role="alert">
          <Icon name="alert" />
          {texts.noServer}
        </p>
      )}
    </>
  );
}

function Head({ children }: { children?: ComponentChildren }) {
  const texts = useTexts(TEXTS);
  return (
    <div class="chat-head">
      <div class="chat-title">
        <h1>{texts.heading}</h1>
        <p class="muted">{texts.lead}</p>
      </div>
      {children}
    </div>
  );
}

function SideBySide({ about }: { about: About }) {
  const [table, setTable] = useState(() => loadTable(about.open_sessions));
  const [statusCount, setStatusCount] = useState(0);
  const [firstPlace, setFirstPlace] = useState<StartedSession["queue"]>(null);
  useEffect(() => saveTable(table), [table]);
  const change = (part: Partial<Table>) => setTable((old) => ({ ...old, ...part }));
  const [customerDialect, chooseCustomerDialect] = useDialect("customer", about);
  const [agentDialect, chooseAgentDialect] = useDialect("agent", about);
  const { sessionId, customer, login } = table;
  // Socket.IO lets agents in by their token only, wherever sessions are open.
  const needsLogin = !about.open_sessions || agentDialect !== "session";
  const agent = needsLogin && !table.agent?.token ? null : table.agent;

  const startAsCustomer = async (name: string) => {
    const started = await api.startSession({ name });
    dropSessionFromAddress();
    setFirstPlace(started.queue);
    const seat = { userId: started.user_id, token: started.token };
    change({ sessionId: started.session_id, customer: seat, agent: null });
  };
  const signIn = (answer: Login) => {
    change({ login: answer, agent: sessionId ? seatOf(answer) : null });
  };
  const startAnew = () => {
    dropSessionFromAddress();
    setFirstPlace(null);
    setTable({ ...emptyTable, login });
  };

  return (
    <>
      <Head>
        {sessionId && (
          <Toolbar sessionId={sessionId} isOpen={about.open_sessions} onNew={startAnew} />
        )}
      </Head>
      <div class="panes">
        <Pane
          side="customer"
          sessionId={sessionId}
          seat={customer}
          dialect={customerDialect}
          onDialect={chooseCustomerDialect}
          firstPlace={firstPlace}
          mayWatch={about.open_sessions || customer?.token !== undefined}
          watchToken={customer?.token}
          onStatus={() => setStatusCount((count) => count + 1)}
          welcome={() => <CustomerWelcome onStart={startAsCustomer} />}
        />
        <Pane
          side="agent"
          sessionId={sessionId}
          seat={agent}
          dialect={agentDialect}
          onDialect={chooseAgentDialect}
          mayWatch={about.open_sessions || login !== null}
          watchToken={login?.token}
          watchSignal={statusCount}
          onJoin={() => change({ agent: login ? seatOf(login) : { userId: "agent_demo" } })}
          onSeatLost={() => change({ agent: null, login: null })}
          welcome={(join) => (
            <AgentWelcome
              needsLogin={needsLogin && login === null}
              isDemo={about.demo}
              hasSession={sessionId !== null}
              onLogin={signIn}
              onJoin={join}
            />
          )}
        />
      </div>
    </>
  );
}

interface ToolbarProps {
  sessionId: string;
  isOpen: boolean;
  onNew: () => void;
}

function Toolbar({ sessionId, isOpen, onNew }: ToolbarProps) {
  const texts = useTexts(TEXTS);
  const link = `${location.origin}/websocket-test.html?session=${sessionId}`;
  return (
    <div class="toolbar">
      <p class="session-id">
        <span class="muted">{texts.conversation}</span>
        <code data-testid="session-id">{sessionId}</code>
        <CopyButton
          text={isOpen ? link : sessionId}
          label={isOpen ? texts.copyLink : texts.copyId}
        />
      </p>
      <button type="button" class="button" data-testid="new-conversation" onClick={onNew}>
        <Icon name="plus" />
        {texts.newConversation}
      </button>
    </div>
  );
}

/** A side's dialect and how to change it; nothing to change where the server speaks one only. */
function useDialect(side: Side, about: About) {
  const hasChoice = hasSocketIo(about);
  const [dialect, setDialect] = useState(() => (hasChoice ? loadDialect(side) : "session"));
  const choose = (next: Dialect) => {
    saveDialect(side, next);
    setDialect(next);
  };
  return [dialect, hasChoice ? choose : undefined] as const;
}

function useAbout(): { about: About | null; isSilent: boolean } {
  const [about, setAbout] = useState<About | null>(null);
  const [isSilent, setSilent] = useState(false);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    const ask = () => {
      api.about().then(
        (answer) => {
          setAbout(answer);
          setSilent(false);
        },
        () => {
          setSilent(true);
          timer = setTimeout(ask, ABOUT_RETRY_MS);
        },
      );
    };
    ask();
    return () => clearTimeout(timer);
  }, []);
  return { about, isSilent };
}

function seatOf({ token, user }: Login): Seat {
  return { userId: user.id, token };
}

function dropSessionFromAddress(): void {
  history.replaceState(null, "", location.pathname);
}

mount({
  name: "test",
  title: { en: TEXTS.en.title, id: TEXTS.id.title },
  content: TestPage,
});
