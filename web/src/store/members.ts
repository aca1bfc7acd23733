/** Who is in a room. */

import type { AnyEvent, Api, Member } from "@parley/client";
import { Reading } from "./reading.ts";
import { Topic } from "./topic.ts";

export interface MembersApi {
  rooms: Pick<Api["rooms"], "members">;
}

/** Completion and the panel need no more; of larger rooms one searches. */
const MOST = 1_000;

export class Members extends Topic {
  readonly roomId: string;
  readonly #api: MembersApi;
  readonly #reading = new Reading();
  #members: Map<string, Member> | null = null;
  /** Of whom it is known, also before they are read: until when they are muted. */
  readonly #mutes = new Map<string, string | null>();
  #loading: Promise<void> | null = null;
  #error: unknown = null;

  constructor(roomId: string, api: MembersApi) {
    super();
    this.roomId = roomId;
    this.#api = api;
  }

  /** Null until they are read. */
  get all(): readonly Member[] | null {
    return this.#members === null ? null : [...this.#members.values()];
  }

  get error(): unknown {
    return this.#error;
  }

  get(userId: string): Member | undefined {
    return this.#members?.get(userId);
  }

  mutedUntil(userId: string): string | null {
    return this.#mutes.get(userId) ?? null;
  }

  /** As the refusal of a message tells it. */
  muted(userId: string, until: string): void {
    this.#mutes.set(userId, until);
    this.changed();
  }

  load(again = false): Promise<void> {
    if (this.#members !== null && !again) return Promise.resolve();
    this.#loading ??= this.#read().finally(() => {
      this.#loading = null;
    });
    return this.#loading;
  }

  apply(seq: number, event: AnyEvent): void {
    this.#reading.hear(seq, event);
    if (this.#take(event, seq)) this.changed();
  }

  #take(event: AnyEvent, seq: number): boolean {
    const members = this.#members;
    switch (event.kind) {
      case "member.joined":
        members?.set(event.user_id, {
          user_id: event.user_id,
          role: event.role,
          from_seq: seq,
          joined_at: event.at,
          muted_until: null,
        });
        return true;
      case "member.updated": {
        const known = members?.get(event.user_id);
        const muted_until = event.muted_until ?? null;
        this.#mutes.set(event.user_id, muted_until);
        if (known !== undefined) members?.set(event.user_id, { ...known, role: event.role, muted_until });
        return true;
      }
      case "member.left":
      case "member.removed":
        return members?.delete(event.user_id) ?? false;
      default:
        return false;
    }
  }

  async #read(): Promise<void> {
    try {
      const [found, heard] = await this.#reading.whileHearing(async () => {
        const members = new Map<string, Member>();
        let cursor: string | null | undefined;
        do {
          const page = await this.#api.rooms.members(
            this.roomId,
            cursor == null ? { limit: 200 } : { limit: 200, cursor },
          );
          for (const member of page.items) members.set(member.user_id, member);
          cursor = page.next;
        } while (cursor != null && members.size < MOST);
        return members;
      });
      this.#members = found;
      this.#error = null;
      for (const { user_id, muted_until } of found.values()) this.#mutes.set(user_id, muted_until ?? null);
      for (const { seq, event } of heard) this.#take(event, seq);
    } catch (error) {
      this.#error = error;
    }
    this.changed();
  }
}
