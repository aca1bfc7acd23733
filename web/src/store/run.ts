/** A run of messages: ascending by seq, without a hole between the first and the last. */

import type { Message } from "@parley/client";

export class Run {
  /** There may be messages before the first one. */
  older: boolean;
  /** There may be messages after the last one: then what is new is not put here. */
  newer: boolean;
  #messages: Message[];
  #shown: readonly Message[] | null = null;
  readonly #byId = new Map<string, Message>();

  constructor(messages: readonly Message[], ends: { older: boolean; newer: boolean }) {
    this.#messages = [...messages];
    for (const message of messages) this.#byId.set(message.id, message);
    this.older = ends.older;
    this.newer = ends.newer;
  }

  /** Another array after each change, so that readers can compare. */
  get messages(): readonly Message[] {
    this.#shown ??= [...this.#messages];
    return this.#shown;
  }

  get first(): Message | undefined {
    return this.#messages[0];
  }

  get last(): Message | undefined {
    return this.#messages.at(-1);
  }

  get length(): number {
    return this.#messages.length;
  }

  get(id: string): Message | undefined {
    return this.#byId.get(id);
  }

  /** Whether that seq lies within. */
  spans(seq: number): boolean {
    const { first, last } = this;
    if (first === undefined || last === undefined) return !(this.older || this.newer);
    return (seq >= first.seq || !this.older) && (seq <= last.seq || !this.newer);
  }

  /** In its place by seq, or instead of the one with its id. */
  put(message: Message): void {
    const known = this.#byId.get(message.id);
    if (known === message) return;
    const at = this.#at(message.seq);
    this.#messages.splice(at, known === undefined ? 0 : 1, message);
    this.#byId.set(message.id, message);
    this.#shown = null;
  }

  /** Only the newest so many; those before can be read again. */
  trim(most: number): boolean {
    if (this.#messages.length <= most) return false;
    for (const { id } of this.#messages.splice(0, this.#messages.length - most)) this.#byId.delete(id);
    this.older = true;
    this.#shown = null;
    return true;
  }

  /** Only the oldest so many. */
  cut(most: number): void {
    for (const { id } of this.#messages.splice(most)) this.#byId.delete(id);
    this.newer = true;
    this.#shown = null;
  }

  /** Where a message of that seq stands or would stand. */
  #at(seq: number): number {
    const { last } = this;
    // Nearly always it is the newest.
    if (last === undefined || seq > last.seq) return this.#messages.length;
    let low = 0;
    let high = this.#messages.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#messages[middle]?.seq ?? 0) < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
