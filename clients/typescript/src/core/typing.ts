/**
 * When to tell the other side that this user is typing. The server ends an indicator after three
 * seconds by itself, so a start is repeated while the user goes on, and never more than needed.
 */

/** At most one start in this time. A key in between is told at its end, so nothing flickers. */
export const TYPING_REPEAT_MS = 2000;

/** Without a key for this long the user has stopped. */
export const TYPING_IDLE_MS = 3000;

/** How long an agent's client waits for the next key before it says anything (document 003). */
export const TYPING_DEBOUNCE_MS = 300;

type Timer = ReturnType<typeof setTimeout> | undefined;

export class TypingSignal {
  #send: (isTyping: boolean) => void;
  #repeat: Timer;
  #idle: Timer;
  #isNewer = false;

  constructor(send: (isTyping: boolean) => void) {
    this.#send = send;
  }

  /** The user has pressed a key. */
  touch(): void {
    if (this.#repeat === undefined) this.#start();
    else this.#isNewer = true;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.stop(), TYPING_IDLE_MS);
  }

  /** The user has sent, emptied or left the input. */
  stop(): void {
    const wasTyping = this.#idle !== undefined;
    this.reset();
    if (wasTyping) this.#send(false);
  }

  /** Forgets everything without a word; for lost connections. */
  reset(): void {
    clearTimeout(this.#idle);
    clearTimeout(this.#repeat);
    this.#idle = this.#repeat = undefined;
    this.#isNewer = false;
  }

  #start(): void {
    this.#isNewer = false;
    this.#repeat = setTimeout(() => {
      this.#repeat = undefined;
      if (this.#isNewer) this.#start();
    }, TYPING_REPEAT_MS);
    this.#send(true);
  }
}

/** What is used of an input or a text area. */
export interface TypingInput {
  addEventListener(type: string, listener: () => void): void;
  removeEventListener(type: string, listener: () => void): void;
}

export interface TypingCalls {
  start: () => void;
  stop: () => void;
  /** How long the keys must pause before a start is told; 300 ms. 0 tells at once. */
  debounceMs?: number;
}

/**
 * Ties an input to typing indicators as document 003 shows it for agents: a start once the keys
 * pause for a moment, a stop when the input loses the focus. The returned function unties it.
 */
export function bindTyping(input: TypingInput, calls: TypingCalls): () => void {
  const { start, stop, debounceMs = TYPING_DEBOUNCE_MS } = calls;
  let timer: Timer;
  const onInput = () => {
    clearTimeout(timer);
    timer = setTimeout(start, debounceMs);
  };
  const onBlur = () => {
    clearTimeout(timer);
    stop();
  };
  input.addEventListener("input", onInput);
  input.addEventListener("blur", onBlur);
  return () => {
    clearTimeout(timer);
    input.removeEventListener("input", onInput);
    input.removeEventListener("blur", onBlur);
  };
}
