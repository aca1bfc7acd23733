/** Reading state while events go on: what comes meanwhile is applied to what was read, so that nothing is lost between the two. */

import type { AnyEvent } from "@parley/client";

export interface Heard {
  seq: number;
  event: AnyEvent;
}

/** A read may hold more than the events so far; and an event that it holds already may come a little later. */
const LATE_MS = 3_000;

export class Reading {
  readonly #open = new Set<Heard[]>();
  readonly #now: () => number;
  /** Message id → when its state was read last. */
  readonly #readAt = new Map<string, number>();

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** What `read` answers, and the events that came while it was under way. */
  async whileHearing<T>(read: () => Promise<T>): Promise<[T, Heard[]]> {
    const heard: Heard[] = [];
    this.#open.add(heard);
    try {
      return [await read(), heard];
    } finally {
      this.#open.delete(heard);
    }
  }

  hear(seq: number, event: AnyEvent): void {
    for (const heard of this.#open) heard.push({ seq, event });
  }

  wasRead(ids: Iterable<string>): void {
    const now = this.#now();
    for (const [id, at] of this.#readAt) if (now - at >= LATE_MS) this.#readAt.delete(id);
    for (const id of ids) this.#readAt.set(id, now);
  }

  /** Whether an event that comes now may be part of the message's state already: what is counted would be counted twice. */
  doubtful(id: string): boolean {
    return this.#open.size > 0 || this.#now() - (this.#readAt.get(id) ?? Number.NEGATIVE_INFINITY) < LATE_MS;
  }
}
