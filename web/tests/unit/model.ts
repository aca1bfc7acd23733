/** A room as the server keeps it: what is done in it, what a read says, and the events that tell of it. */

import type { AnyEvent, Message, Reaction } from "@parley/client";

export const ME = "me";
export const ROOM = "room";
const AT = "2026-11-30T10:00:00Z";

type Stored = Omit<Message, "reactions"> & { reactions: Map<string, string[]> };

export class ModelRoom {
  readonly events: AnyEvent[] = [];
  readonly #messages: Stored[] = [];

  get seq(): number {
    return this.events.length;
  }

  get ids(): string[] {
    return this.#messages.map(({ id }) => id);
  }

  get roots(): string[] {
    return this.#messages.filter(message => message.thread_root_id === null && !message.deleted).map(({ id }) => id);
  }

  say(sender: string, body: string, root: string | null = null): void {
    const seq = this.seq + 1;
    const stored: Stored = {
      id: `m${seq}`,
      room_id: ROOM,
      seq,
      n: root === null ? this.#messages.filter(message => message.thread_root_id === null).length + 1 : null,
      sender_id: sender,
      body,
      format: "markdown",
      media: [],
      thread_root_id: root,
      reply_count: 0,
      mentions: [],
      mention_all: false,
      reactions: new Map(),
      rev: 1,
      edited_at: null,
      deleted: false,
      deleted_by: null,
      pinned: false,
      unreadable: false,
      created_at: AT,
    };
    this.#messages.push(stored);
    if (root !== null) this.#get(root).reply_count += 1;
    // What everybody gets knows nothing of oneself.
    const shared = { ...this.#read(stored), reactions: [] };
    this.events.push({ kind: "message.created", at: AT, actor_id: sender, message: shared });
  }

  edit(id: string, body: string): void {
    const message = this.#get(id);
    if (message.deleted) return;
    Object.assign(message, { body, rev: message.rev + 1, edited_at: AT });
    const { rev, format, mentions, mention_all, edited_at, unreadable } = this.#read(message);
    this.#tell({
      kind: "message.edited",
      message_id: id,
      rev,
      body,
      format,
      mentions,
      mention_all,
      edited_at,
      unreadable,
    } as never);
  }

  delete(id: string): void {
    const message = this.#get(id);
    if (message.deleted) return;
    const gone = {
      body: null,
      deleted: true,
      deleted_by: "x",
      pinned: false,
      reactions: new Map(),
      rev: message.rev + 1,
    };
    Object.assign(message, gone);
    this.#tell({ kind: "message.deleted", message_id: id, deleted_by: "x", rev: message.rev } as never);
  }

  react(id: string, user: string, reaction: string, on: boolean): void {
    const message = this.#get(id);
    const users = message.reactions.get(reaction) ?? [];
    if (message.deleted || users.includes(user) === on) return;
    const now = on ? [...users, user] : users.filter(other => other !== user);
    if (now.length) message.reactions.set(reaction, now);
    else message.reactions.delete(reaction);
    const kind = on ? "reaction.added" : "reaction.removed";
    this.#tell({ kind, message_id: id, reaction, user_id: user, count: now.length } as never);
  }

  pin(id: string, on: boolean): void {
    const message = this.#get(id);
    if (message.deleted || message.pinned === on) return;
    message.pinned = on;
    this.#tell({ kind: on ? "message.pinned" : "message.unpinned", message_id: id } as never);
  }

  // -- what a read says

  get(id: string): Message {
    return this.#read(this.#get(id));
  }

  /** As the server pages: ascending, `next` if it goes on in that direction. */
  page({ before, after, around, limit = 50 }: { before?: number; after?: number; around?: number; limit?: number }): {
    items: Message[];
    next: string | null;
  } {
    const roots = this.#messages.filter(message => message.thread_root_id === null);
    let found: Stored[];
    let all = roots;
    if (around !== undefined) {
      const at = roots.findIndex(message => message.seq >= around);
      const from = Math.max(0, (at < 0 ? roots.length : at) - limit / 2);
      return { items: roots.slice(from, from + limit).map(message => this.#read(message)), next: null };
    }
    if (after !== undefined) {
      all = roots.filter(message => message.seq > after);
      found = all.slice(0, limit);
    } else {
      all = before === undefined ? roots : roots.filter(message => message.seq < before);
      found = all.slice(-limit);
    }
    return { items: found.map(message => this.#read(message)), next: found.length < all.length ? "more" : null };
  }

  thread(rootId: string): Message[] {
    return this.#messages.filter(message => message.thread_root_id === rootId).map(message => this.#read(message));
  }

  #get(id: string): Stored {
    const found = this.#messages.find(message => message.id === id);
    if (found === undefined) throw new Error(`no message ${id}`);
    return found;
  }

  #read(message: Stored): Message {
    const reactions: Reaction[] = [...message.reactions]
      .map(([reaction, users]) => ({
        reaction,
        count: users.length,
        user_ids: users.slice(0, 20),
        mine: users.includes(ME),
      }))
      .sort((one, other) => (one.reaction < other.reaction ? -1 : 1));
    return { ...message, mentions: [...message.mentions], media: [...message.media], reactions };
  }

  #tell(event: AnyEvent): void {
    this.events.push(Object.assign({ at: AT, actor_id: "x" }, event));
  }
}
