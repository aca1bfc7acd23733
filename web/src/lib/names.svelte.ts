/** What people and rooms are called whose ids stand in a list. Whatever cannot be told stays an id. */

import type { Client, User } from "@parley/client";

export class Names {
  #users = $state.raw<ReadonlyMap<string, User>>(new Map());
  #rooms = $state.raw<ReadonlyMap<string, string>>(new Map());
  readonly #client: Client;
  readonly #asked = new Set<string>();

  constructor(client: Client) {
    this.#client = client;
  }

  /** `@username`, or the beginning of the id. */
  user(id: string): string {
    const found = this.#users.get(id);
    return found === undefined ? short(id) : `@${found.username}`;
  }

  room(id: string): string {
    return this.#rooms.get(id) ?? short(id);
  }

  /** Asks for those that were not asked for before; the list is shown meanwhile. */
  async learn(userIds: readonly (string | null)[], roomIds: readonly (string | null)[] = []): Promise<void> {
    const users = this.#fresh(userIds);
    const rooms = this.#fresh(roomIds);
    for (let at = 0; at < users.length; at += 50) {
      const found = await this.#client.api.users.byIds(users.slice(at, at + 50)).catch(() => ({ items: [] }));
      this.#users = new Map([...this.#users, ...found.items.map(user => [user.id, user] as const)]);
    }
    for (const id of rooms) {
      // An admin may not see every room: then its id is all there is to show.
      const room = await this.#client.api.rooms.get(id).catch(() => null);
      if (room?.name != null) this.#rooms = new Map([...this.#rooms, [id, room.name]]);
    }
  }

  #fresh(ids: readonly (string | null)[]): string[] {
    const found = [...new Set(ids)].filter(id => id !== null).filter(id => !this.#asked.has(id));
    for (const id of found) this.#asked.add(id);
    return found;
  }
}

/** Ids of one day begin alike: the end tells them apart. */
export const short = (id: string): string => `…${id.slice(-8)}`;
