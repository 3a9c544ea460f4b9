/**
 * Where the clients keep what has to survive a reload. An adapter is three functions; the one for
 * browsers falls back to memory where the browser keeps nothing (a private window, a full quota,
 * a sandboxed frame, Node), and says so.
 */

export interface KeyValueStorage {
  get(key: string): string | null;
  /** `false`: not kept beyond this page. */
  set(key: string, value: string): boolean;
  remove(key: string): void;
}

/** Keeps everything for as long as the page lives. */
export function memoryStorage(): KeyValueStorage {
  const values = new Map<string, string>();
  return {
    get: (key) => values.get(key) ?? null,
    set: (key, value) => {
      values.set(key, value);
      return false;
    },
    remove: (key) => void values.delete(key),
  };
}

/** Keeps in the browser's `localStorage` or `sessionStorage`, or else in memory. */
export function browserStorage(
  kind: "localStorage" | "sessionStorage" = "localStorage",
): KeyValueStorage {
  const memory = memoryStorage();
  return {
    get: (key) => memory.get(key) ?? attempt(kind, (store) => store.getItem(key)) ?? null,
    set: (key, value) => {
      const isKept = attempt(kind, (store) => (store.setItem(key, value), true)) ?? false;
      if (isKept) memory.remove(key);
      else memory.set(key, value);
      return isKept;
    },
    remove: (key) => {
      memory.remove(key);
      attempt(kind, (store) => store.removeItem(key));
    },
  };
}

/** What `use` gives, or nothing where the browser refuses; it may refuse at every single call. */
function attempt<T>(
  kind: "localStorage" | "sessionStorage",
  use: (store: Storage) => T,
): T | undefined {
  try {
    // Node has an accessor of this name that warns, so it is looked at in browsers only.
    return typeof document === "undefined" ? undefined : use(globalThis[kind]);
  } catch {
    return undefined;
  }
}

/** The value under a key, or nothing when there is none or it is not JSON. */
export function readJson<T>(storage: KeyValueStorage, key: string): T | null {
  try {
    return JSON.parse(storage.get(key) ?? "null") as T | null;
  } catch {
    return null; // somebody else wrote there
  }
}
