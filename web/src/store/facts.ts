/** What has no seq and may be missed: who types, who is there, how far others have read. */

import type { Api, MessageStatus, Presence, PresenceFrame, ReceiptFrame, TypingFrame } from "@parley/client";
import { Topic } from "./topic.ts";

/** Who types in which room; it expires by itself. */
export class Typing extends Topic {
  readonly #rooms = new Map<string, Map<string, ReturnType<typeof setTimeout>>>();

  of(roomId: string): string[] {
    return [...(this.#rooms.get(roomId)?.keys() ?? [])];
  }

  take({ room_id, user_id, for_ms }: Pick<TypingFrame, "room_id" | "user_id" | "for_ms">): void {
    if (for_ms <= 0) return this.stop(room_id, user_id);
    const room = this.#rooms.get(room_id) ?? new Map();
    this.#rooms.set(room_id, room);
    clearTimeout(room.get(user_id));
    room.set(
      user_id,
      setTimeout(() => this.stop(room_id, user_id), for_ms),
    );
    this.changed();
  }

  /** He has sent what he typed. */
  stop(roomId: string, userId: string): void {
    const room = this.#rooms.get(roomId);
    const timer = room?.get(userId);
    if (timer === undefined) return;
    clearTimeout(timer);
    room?.delete(userId);
    this.changed();
  }

  clear(): void {
    for (const room of this.#rooms.values()) for (const timer of room.values()) clearTimeout(timer);
    this.#rooms.clear();
    this.changed();
  }
}

const MOST_WATCHED = 200;
const COLLECT_MS = 200;

export interface PresenceSource {
  watchPresence(userIds: readonly string[]): Promise<void>;
}

/** Who is there, of those whom somebody looks at. */
export class Presences extends Topic {
  readonly #source: PresenceSource;
  readonly #api: Pick<Api["presence"], "get">;
  readonly #me: string;
  readonly #known = new Map<string, Presence>();
  /** The most recently asked for last. */
  readonly #watched = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(me: string, source: PresenceSource, api: Pick<Api["presence"], "get">) {
    super();
    this.#me = me;
    this.#source = source;
    this.#api = api;
  }

  /** Undefined for whom one may not see, and until the answer comes. */
  get(userId: string): Presence | undefined {
    if (!this.#watched.has(userId)) this.#watch(userId);
    return this.#known.get(userId);
  }

  take(presence: PresenceFrame | Presence): void {
    const { user_id, status, last_seen, text } = presence;
    this.#known.set(user_id, { user_id, status, last_seen: last_seen ?? null, text: text ?? null });
    this.changed();
  }

  /** Without a connection nobody knows. */
  clear(): void {
    this.#known.clear();
    this.changed();
  }

  /** Asks again, as after a new connection. */
  refresh(): void {
    this.#timer ??= setTimeout(() => void this.#ask(), COLLECT_MS);
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #watch(userId: string): void {
    this.#watched.add(userId);
    while (this.#watched.size > MOST_WATCHED) {
      const [oldest] = this.#watched;
      if (oldest !== undefined) this.#watched.delete(oldest);
    }
    this.refresh();
  }

  async #ask(): Promise<void> {
    this.#timer = undefined;
    const ids = [...this.#watched];
    try {
      await this.#source.watchPresence(ids.filter(id => id !== this.#me));
      if (ids.length > 0) for (const found of (await this.#api.get(ids)).items) this.take(found);
    } catch {
      // The next connection asks again.
    }
  }
}

export interface Position {
  delivered: number;
  read: number;
}

/** What others have of one's own messages. Positions only grow. */
export class Receipts extends Topic {
  readonly #rooms = new Map<string, Map<string, Position>>();
  readonly #asked = new Set<string>();

  take({ room_id, user_id, delivered_seq, read_seq }: Omit<ReceiptFrame, "type">): void {
    if (this.#raise(room_id, user_id, delivered_seq, read_seq)) this.changed();
  }

  /** How many of the others have the message, or have read it. */
  of(roomId: string, seq: number, me: string): { delivered: number; read: number } {
    const found = { delivered: 0, read: 0 };
    for (const [userId, at] of this.#rooms.get(roomId) ?? []) {
      if (userId === me) continue;
      if (at.delivered >= seq) found.delivered += 1;
      if (at.read >= seq) found.read += 1;
    }
    return found;
  }

  /** Whether the message's status has not been asked for yet. */
  wants(messageId: string): boolean {
    return !this.#asked.has(messageId);
  }

  /** The answer to a question about one message. */
  status(roomId: string, messageId: string, seq: number, status: MessageStatus): void {
    this.#asked.add(messageId);
    let raised = false;
    for (const { user_id, state } of status.recipients ?? []) {
      if (state !== "sent") raised = this.#raise(roomId, user_id, seq, state === "read" ? seq : 0) || raised;
    }
    if (raised) this.changed();
  }

  #raise(roomId: string, userId: string, delivered: number, read: number): boolean {
    const room = this.#rooms.get(roomId) ?? new Map<string, Position>();
    this.#rooms.set(roomId, room);
    const known = room.get(userId) ?? { delivered: 0, read: 0 };
    if (delivered <= known.delivered && read <= known.read) return false;
    room.set(userId, { delivered: Math.max(delivered, read, known.delivered), read: Math.max(read, known.read) });
    return true;
  }
}
