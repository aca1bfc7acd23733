/** Names of people, asked for in batches when they are first shown. */

import type { Api, User } from "@parley/client";
import { Topic } from "./topic.ts";

const MOST_AT_ONCE = 50;
const COLLECT_MS = 20;

export interface PeopleApi {
  users: Pick<Api["users"], "byIds">;
}

export class People extends Topic {
  readonly #api: PeopleApi;
  readonly #known = new Map<string, User>();
  /** Asked for during this visit: what was kept from the last one may have changed. */
  readonly #asked = new Set<string>();
  readonly #wanted = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(api: PeopleApi, remembered: readonly User[] = []) {
    super();
    this.#api = api;
    for (const user of remembered) this.#known.set(user.id, user);
  }

  get all(): readonly User[] {
    return [...this.#known.values()];
  }

  /** Undefined until the answer comes, which changes this topic. */
  get(id: string): User | undefined {
    if (!this.#asked.has(id)) this.#want(id);
    return this.#known.get(id);
  }

  /** They will be shown: asked for without waiting for others. */
  expect(ids: readonly string[]): void {
    for (const id of ids) if (!this.#asked.has(id)) this.#want(id);
    if (this.#wanted.size === 0) return;
    clearTimeout(this.#timer);
    void this.#ask();
  }

  /** Resolves when as many of them as can be are known. */
  async learn(ids: readonly string[]): Promise<void> {
    const unknown = ids.filter(id => !this.#known.has(id));
    for (let at = 0; at < unknown.length; at += MOST_AT_ONCE) {
      try {
        this.take((await this.#api.users.byIds(unknown.slice(at, at + MOST_AT_ONCE))).items);
      } catch {
        return;
      }
    }
  }

  take(users: readonly User[]): void {
    for (const user of users) {
      this.#known.set(user.id, user);
      this.#asked.add(user.id);
    }
    this.changed();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #want(id: string): void {
    this.#asked.add(id);
    this.#wanted.add(id);
    this.#timer ??= setTimeout(() => void this.#ask(), COLLECT_MS);
  }

  async #ask(): Promise<void> {
    this.#timer = undefined;
    const ids = [...this.#wanted].slice(0, MOST_AT_ONCE);
    for (const id of ids) this.#wanted.delete(id);
    if (this.#wanted.size > 0) this.#timer = setTimeout(() => void this.#ask(), COLLECT_MS);
    try {
      this.take((await this.#api.users.byIds(ids)).items);
    } catch {
      // Whoever looks again asks again.
      for (const id of ids) this.#asked.delete(id);
    }
  }
}
