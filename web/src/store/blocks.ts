/** Whom one has blocked: their messages in shared rooms are folded. */

import { type Api, each } from "@parley/client";
import { Topic } from "./topic.ts";

export class Blocks extends Topic {
  readonly #api: Pick<Api["users"], "blocks" | "block" | "unblock">;
  #ids = new Set<string>();

  constructor(api: Pick<Api["users"], "blocks" | "block" | "unblock">) {
    super();
    this.#api = api;
  }

  has(userId: string): boolean {
    return this.#ids.has(userId);
  }

  /** Throws ParleyError. */
  async load(): Promise<void> {
    const found = new Set<string>();
    for await (const block of each(of => this.#api.blocks(of))) found.add(block.user_id);
    this.#ids = found;
    this.changed();
  }

  /** Throws ParleyError. */
  async set(userId: string, on: boolean): Promise<void> {
    await this.#api[on ? "block" : "unblock"](userId);
    if (on) this.#ids.add(userId);
    else this.#ids.delete(userId);
    this.changed();
  }
}
