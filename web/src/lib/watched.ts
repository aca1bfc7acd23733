/** The bridge from the store, which knows no Svelte, to components. */

import type { Observable } from "@parley/client";
import { createSubscriber } from "svelte/reactivity";

/** Something that tells when it has changed. */
export interface Topic {
  subscribe(listener: () => void): () => void;
}

const subscribers = new WeakMap<object, () => void>();

/** The topic; who reads it in an effect or in a template reads it anew when it changes. */
export function watched<T extends Topic | Observable<unknown>>(topic: T): T {
  let subscribe = subscribers.get(topic);
  if (subscribe === undefined) {
    subscribe = createSubscriber(update => {
      let first = true;
      // An Observable tells its present value at once, which is no change.
      const stop = topic.subscribe(() => first || update());
      first = false;
      return stop;
    });
    subscribers.set(topic, subscribe);
  }
  subscribe();
  return topic;
}
