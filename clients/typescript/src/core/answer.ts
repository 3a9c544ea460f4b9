/** Promises whose makers may look away. */

/** A promise together with what settles it. */
export interface Answer<T> {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (error: Error) => void;
}

/**
 * A promise that nobody has to await. Who does learns of a rejection as of any other; but in Node a
 * rejection that nobody handles ends the process, and a lost event is no reason for that.
 */
export function newAnswer<T>(): Answer<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  promise.catch(() => {});
  return { promise, resolve, reject };
}
