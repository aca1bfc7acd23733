/** What a close code means, and how long to wait before coming back. */

export const FIRST_PAUSE_MS = 250;
export const LONGEST_PAUSE_MS = 30_000;

/** The access token is of no more use. */
export const RENEW = 4014;

/** 3500–3999 and 4500–4999 mean stop, and so do 1007 and 1009; everything else means: come back. */
export const meansStop = (code: number): boolean =>
  (code >= 3500 && code <= 3999) || (code >= 4500 && code <= 4999) || code === 1007 || code === 1009;

/** Full jitter: those thrown out together shall not come back together. The window doubles with each failure. */
export class Backoff {
  readonly #first: number;
  readonly #longest: number;
  readonly #random: () => number;
  #window: number;

  constructor(first: number, longest: number, random: () => number) {
    this.#first = first;
    this.#longest = longest;
    this.#random = random;
    this.#window = first;
  }

  /** How long to wait now. */
  next(): number {
    const wait = this.#random() * this.#window;
    this.#window = Math.min(this.#window * 2, this.#longest);
    return wait;
  }

  reset(): void {
    this.#window = this.#first;
  }
}
