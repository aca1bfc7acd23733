/** A list that comes page by page, as far as somebody asks for it. */

import type { PageOf } from "@parley/client";
import { Form } from "./form.svelte.ts";

interface Page<Item> {
  items: Item[];
  next?: string | null;
}

export class Pages<Item> {
  items = $state.raw<Item[]>([]);
  /** Null: there is no more. Undefined: nothing was asked for yet. */
  next = $state<string | null | undefined>(undefined);
  readonly form = new Form();
  readonly #ask: (of: PageOf) => Promise<Page<Item>>;
  #asked = 0;

  constructor(ask: (of: PageOf) => Promise<Page<Item>>) {
    this.#ask = ask;
  }

  /** From the beginning, by what the filters say now. */
  async read(): Promise<void> {
    this.#asked += 1;
    await this.#take({}, []);
  }

  async more(): Promise<void> {
    if (this.next != null) await this.#take({ cursor: this.next }, this.items);
  }

  async #take(of: PageOf, before: Item[]): Promise<void> {
    const asked = this.#asked;
    this.form.busy = false;
    await this.form.send(async () => {
      const page = await this.#ask(of);
      // Filters that have changed meanwhile have asked again.
      if (asked !== this.#asked) return;
      this.items = [...before, ...page.items];
      this.next = page.next ?? null;
    });
  }
}
