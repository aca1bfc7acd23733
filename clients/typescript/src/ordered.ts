/** Frames one after the other, also when one has to wait for something. */

import type { AnyFrame } from "./frames.ts";

export class Ordered {
  readonly #take: (frame: AnyFrame, signal: AbortSignal) => Promise<void> | undefined;
  readonly #fail: (error: unknown) => void;
  readonly #abort = new AbortController();
  readonly #frames: AnyFrame[] = [];
  #busy = false;

  /** take: a promise holds up the next frame. fail: told if it is rejected; no frame follows then. */
  constructor(
    take: (frame: AnyFrame, signal: AbortSignal) => Promise<void> | undefined,
    fail: (error: unknown) => void,
  ) {
    this.#take = take;
    this.#fail = fail;
  }

  push(frame: AnyFrame): void {
    this.#frames.push(frame);
    if (!this.#busy) this.#run();
  }

  /** What waits is forgotten, and what is under way is aborted. */
  stop(): void {
    this.#frames.length = 0;
    this.#abort.abort();
  }

  #run(): void {
    this.#busy = true;
    for (let frame = this.#frames.shift(); frame !== undefined; frame = this.#frames.shift()) {
      try {
        const wait = this.#take(frame, this.#abort.signal);
        if (wait === undefined) continue;
        wait.then(
          () => this.#run(),
          error => this.#end(error),
        );
      } catch (error) {
        this.#end(error);
      }
      return;
    }
    this.#busy = false;
  }

  #end(error: unknown): void {
    if (this.#abort.signal.aborted) return;
    this.stop();
    this.#fail(error);
  }
}
