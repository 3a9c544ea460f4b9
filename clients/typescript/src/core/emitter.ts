/** A small typed event emitter, and one that its owner lets others speak through. */

export class Emitter<Events extends object> {
  #listeners = new Map<keyof Events, Set<(value: never) => void>>();

  /** Calls `listener` on every `type`; the returned function ends that. */
  on<T extends keyof Events>(type: T, listener: (value: Events[T]) => void): () => void {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  protected removeAll(): void {
    this.#listeners.clear();
  }

  protected emit<T extends keyof Events>(type: T, value: Events[T]): void {
    for (const listener of this.#listeners.get(type) ?? []) {
      (listener as (value: Events[T]) => void)(value);
    }
  }
}

/** An emitter as a part of something: whoever holds it may emit. */
export class Bus<Events extends object> extends Emitter<Events> {
  override emit<T extends keyof Events>(type: T, value: Events[T]): void {
    super.emit(type, value);
  }

  /** Forgets every listener. */
  clear(): void {
    this.removeAll();
  }
}
