/** Listeners, and values that can be watched. */

/** Call it to hear no more. */
export type Unsubscribe = () => void;

/** What a listener throws is reported as an uncaught error, as the platform does it; the others are told all the same. */
function tell<T>(listener: (value: T) => void, value: T): void {
  try {
    listener(value);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<(value: never) => void>>();

  on<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void): Unsubscribe {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    // A wrapper of its own: the same function may listen twice.
    const own = (value: Events[Name]) => listener(value);
    listeners.add(own);
    return () => listeners.delete(own);
  }

  emit<Name extends keyof Events>(name: Name, value: Events[Name]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      tell(listener as (value: Events[Name]) => void, value);
    }
  }
}

/** A value that can be read and watched. `subscribe` tells the present value at once, so it is a store for Svelte. */
export interface Observable<T> {
  readonly value: T;
  subscribe(listener: (value: T) => void): Unsubscribe;
}

/** The first value from now on for which it holds. */
export function until<T>(variable: Observable<T>, holds: (value: T) => boolean): Promise<T> {
  if (holds(variable.value)) return Promise.resolve(variable.value);
  return new Promise(resolve => {
    const unsubscribe = variable.subscribe(value => {
      if (!holds(value)) return;
      unsubscribe();
      resolve(value);
    });
  });
}

export class Variable<T> implements Observable<T> {
  #value: T;
  readonly #emitter = new Emitter<{ change: T }>();

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  set(value: T): void {
    this.#value = value;
    this.#emitter.emit("change", value);
  }

  subscribe(listener: (value: T) => void): Unsubscribe {
    tell(listener, this.#value);
    return this.#emitter.on("change", listener);
  }
}
