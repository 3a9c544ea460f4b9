/** A document for tests, in the places where the code under test looks for one. */
import type { TestContext } from "node:test";
import { Window } from "happy-dom";

const NAMES = ["window", "document", "navigator", "CustomEvent", "HTMLElement", "Node"] as const;

export function newDom(t: Pick<TestContext, "after">, body = ""): Window {
  const window = new Window({ url: "http://127.0.0.1/" });
  const saved = NAMES.map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)]);
  for (const name of NAMES) {
    const value = name === "window" ? window : window[name];
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  window.document.body.innerHTML = body;
  t.after(async () => {
    for (const [name, descriptor] of saved as [string, PropertyDescriptor | undefined][]) {
      if (descriptor) Object.defineProperty(globalThis, name, descriptor);
      else Reflect.deleteProperty(globalThis, name);
    }
    await window.happyDOM.close();
  });
  return window;
}

/** Makes the page hidden or visible, as a user does who switches tabs. */
export function setHidden(window: Window, isHidden: boolean): void {
  Object.defineProperty(window.document, "hidden", { value: isHidden, configurable: true });
  window.document.dispatchEvent(new window.Event("visibilitychange"));
}
