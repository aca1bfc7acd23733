/** Locks that tabs share: Web Locks where there are some, otherwise within this program alone. */

/** As much of the Web Locks API as is needed; `navigator.locks` is one. */
export interface Locks {
  request<T>(
    name: string,
    options: { ifAvailable?: boolean; signal?: AbortSignal },
    run: (lock: object | null) => Promise<T>,
  ): Promise<T>;
}

/** For platforms without: whoever else runs is then not held up. */
export function localLocks(): Locks {
  const tails = new Map<string, Promise<unknown>>();
  return {
    async request(name, options, run) {
      const before = tails.get(name);
      if (before !== undefined && options.ifAvailable) return run(null);
      const mine = (async () => {
        await before;
        options.signal?.throwIfAborted();
        return run({});
      })();
      const tail = mine.then(
        () => undefined,
        () => undefined,
      );
      tails.set(name, tail);
      tail.then(() => tails.get(name) === tail && tails.delete(name));
      return mine;
    },
  };
}

const LOCAL = localLocks();

export const platformLocks = (): Locks => (globalThis.navigator?.locks as Locks | undefined) ?? LOCAL;
