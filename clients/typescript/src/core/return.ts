/** When a user comes back: the network is there again, or the page is looked at again. */

/** What is used of the browser; outside of one, nothing ever returns. */
interface Surroundings {
  addEventListener?: (type: string, listener: () => void) => void;
  removeEventListener?: (type: string, listener: () => void) => void;
}

/** Calls `listener` on every return; the function it gives ends that. */
export function onReturn(listener: () => void): () => void {
  const around = globalThis as Surroundings;
  const page = globalThis.document as Document | undefined;
  const onVisibility = () => {
    if (!page?.hidden) listener();
  };
  around.addEventListener?.("online", listener);
  page?.addEventListener("visibilitychange", onVisibility);
  return () => {
    around.removeEventListener?.("online", listener);
    page?.removeEventListener("visibilitychange", onVisibility);
  };
}
