/**
 * A text beside what the pointer rests on, or the keyboard is at. One is shown at a time, so that there is one for the whole page
 * (Hints.svelte), and a button that has one costs no more than one that has not.
 */

const DELAY_MS = 500;
/** Who has just read one need not wait for the next. */
const AGAIN_MS = 300;

interface Hint {
  node: HTMLElement;
  text: () => string;
  side?: "left" | undefined;
}

class Hints {
  shown = $state.raw<Hint | null>(null);
  #next: Hint | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closedAt = Number.NEGATIVE_INFINITY;

  show(hint: Hint): void {
    this.close();
    this.shown = hint;
  }

  showSoon(hint: Hint): void {
    this.close();
    this.#next = hint;
    this.#timer = setTimeout(() => this.show(hint), performance.now() - this.#closedAt < AGAIN_MS ? 0 : DELAY_MS);
  }

  /** Without a node, whichever it is. */
  close(node?: HTMLElement): void {
    if (node !== undefined && node !== this.shown?.node && node !== this.#next?.node) return;
    clearTimeout(this.#timer);
    if (this.shown !== null) this.#closedAt = performance.now();
    this.shown = this.#next = null;
  }
}

export const hints = new Hints();

export const hint =
  (text: () => string, side?: "left") =>
  (node: HTMLElement): (() => void) => {
    const stop = new AbortController();
    const on = (name: string, listener: (event: Event) => void): void =>
      node.addEventListener(name, listener, { signal: stop.signal });
    on(
      "pointerenter",
      event => (event as PointerEvent).pointerType !== "touch" && hints.showSoon({ node, text, side }),
    );
    on("focus", () => node.matches(":focus-visible") && hints.show({ node, text, side }));
    for (const name of ["pointerleave", "pointerdown", "click", "blur"]) on(name, () => hints.close(node));
    return () => {
      stop.abort();
      hints.close(node);
    };
  };
