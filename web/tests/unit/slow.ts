/** Answers are made when they are let through, and arrive when they are let through again: events may overtake them. */

import { vi } from "vitest";

export class Slow {
  readonly #waiting: (() => void)[] = [];

  async answer(): Promise<void> {
    this.#waiting.shift()?.();
    await vi.advanceTimersByTimeAsync(0);
  }

  async answerAll(): Promise<void> {
    while (this.#waiting.length > 0) await this.answer();
  }

  later<T>(read: () => T): Promise<T> {
    return new Promise(resolve =>
      this.#waiting.push(() => {
        const found = read();
        this.#waiting.push(() => resolve(found));
      }),
    );
  }
}
