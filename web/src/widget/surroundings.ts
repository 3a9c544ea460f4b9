/**
 * The page around the widget, if there is one. It is told two things, neither of them a secret:
 * how many messages are unread, and that the visitor wants the chat out of the way.
 */

/** Whether the widget stands in somebody else's page. */
export const isFramed = window.parent !== window;

export type Told = { type: "switchboard:unread"; count: number } | { type: "switchboard:hide" };

/** Tells the page around. Any page may have framed this one, so nothing private goes out here. */
export function tellPage(message: Told): void {
  if (isFramed) window.parent.postMessage(message, "*");
}
