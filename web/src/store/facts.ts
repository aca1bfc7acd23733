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
  /** How many questions there were: what is told after one of them is newer than its answer. */
  #asked = 0;
  #cleared = 0;
  /** User id → the last question before he was told of, or the one that told of him. */
  readonly #toldAt = new Map<string, number>();
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
    this.#put(presence, this.#asked);
    this.changed();
  }

  /** Without a connection nobody knows. */
  clear(): void {
    this.#known.clear();
    this.#cleared = this.#asked;
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

  #put({ user_id, status, last_seen, text }: PresenceFrame | Presence, question: number): void {
    this.#known.set(user_id, { user_id, status, last_seen: last_seen ?? null, text: text ?? null });
    this.#toldAt.set(user_id, question);
  }

  async #ask(): Promise<void> {
    this.#timer = undefined;
    this.#asked += 1;
    const question = this.#asked;
    const ids = [...this.#watched];
    try {
      await this.#source.watchPresence(ids.filter(id => id !== this.#me));
      if (ids.length === 0) return;
      const { items } = await this.#api.get(ids);
      if (question <= this.#cleared) return;
      for (const found of items) if ((this.#toldAt.get(found.user_id) ?? 0) < question) this.#put(found, question);
      this.changed();
    } catch {
      // The next connection asks again.
    }
  }
}

export interface Position {
  delivered: number;
  read: number;
}

/** What is known of a room, also at the next visit: positions only grow, so that others have at least that. */
export interface KnownReceipts {
  positions: Map<string, Position>;
  /** Who has come since one looks, by the seq of his joining: what was said before was not sent to him. */
  since: Map<string, number>;
  /** Seq of a message → to whom it was sent, of those who are still there; as far as that was asked for. */
  sentTo: Map<number, Set<string>>;
}

interface RoomReceipts extends KnownReceipts {
  /** What is still told of these is late. */
  gone: Set<string>;
  /** Messages whose status was asked for in this visit. */
  asked: Set<string>;
}

/** What others have of one's own messages. Positions only grow. */
export class Receipts extends Topic {
  readonly #rooms = new Map<string, RoomReceipts>();

  take({ room_id, user_id, delivered_seq, read_seq }: Omit<ReceiptFrame, "type">): void {
    if (this.#raise(room_id, user_id, delivered_seq, read_seq)) this.changed();
  }

  joined(roomId: string, userId: string, seq: number): void {
    const room = this.#room(roomId);
    room.gone.delete(userId);
    room.since.set(userId, seq);
    this.changed();
  }

  left(roomId: string, userId: string): void {
    const room = this.#room(roomId);
    room.gone.add(userId);
    room.positions.delete(userId);
    room.since.delete(userId);
    for (const people of room.sentTo.values()) people.delete(userId);
    this.changed();
  }

  /** To how many of the others the message was sent, how many have it, and how many have read it. */
  of(roomId: string, seq: number, me: string, others: number): { all: number; delivered: number; read: number } {
    const room = this.#rooms.get(roomId);
    const sentTo = room?.sentTo.get(seq);
    const found = { all: sentTo?.size ?? others, delivered: 0, read: 0 };
    for (const [userId, at] of room?.positions ?? []) {
      if (userId === me || !(sentTo?.has(userId) ?? (room?.since.get(userId) ?? 0) <= seq)) continue;
      if (at.delivered >= seq) found.delivered += 1;
      if (at.read >= seq) found.read += 1;
    }
    if (sentTo === undefined) for (const since of room?.since.values() ?? []) if (since > seq) found.all -= 1;
    return found;
  }

  /** Whether the message's status has not been asked for yet. */
  wants(roomId: string, messageId: string): boolean {
    return this.#rooms.get(roomId)?.asked.has(messageId) !== true;
  }

  /** The answer to a question about one message. */
  status(roomId: string, messageId: string, seq: number, status: MessageStatus): void {
    const room = this.#room(roomId);
    room.asked.add(messageId);
    if (status.recipients == null) return;
    // Who has gone, or come again, since the answer was made is none of them any more.
    const people = status.recipients.filter(
      ({ user_id }) => !room.gone.has(user_id) && (room.since.get(user_id) ?? 0) <= seq,
    );
    room.sentTo.set(seq, new Set(people.map(({ user_id }) => user_id)));
    for (const { user_id, state } of people) {
      if (state !== "sent") this.#raise(roomId, user_id, seq, state === "read" ? seq : 0);
    }
    this.changed();
  }

  /** For the next visit, of messages from that one on; undefined if there is nothing. */
  known(roomId: string, from: number): KnownReceipts | undefined {
    const room = this.#rooms.get(roomId);
    if (room === undefined) return undefined;
    const { positions, since } = room;
    return { positions, since, sentTo: new Map([...room.sentTo].filter(([seq]) => seq >= from)) };
  }

  /** What the last visit knew, before anything of this one. */
  recall(roomId: string, known: KnownReceipts): void {
    Object.assign(this.#room(roomId), known);
  }

  /** Who has come and gone was missed: of whom something is known may be there no more. */
  forget(roomId: string): void {
    if (this.#rooms.delete(roomId)) this.changed();
  }

  #raise(roomId: string, userId: string, delivered: number, read: number): boolean {
    const room = this.#room(roomId);
    if (room.gone.has(userId)) return false;
    const known = room.positions.get(userId) ?? { delivered: 0, read: 0 };
    if (delivered <= known.delivered && read <= known.read) return false;
    room.positions.set(userId, {
      delivered: Math.max(delivered, read, known.delivered),
      read: Math.max(read, known.read),
    });
    return true;
  }

  #room(roomId: string): RoomReceipts {
    let room = this.#rooms.get(roomId);
    if (room === undefined) {
      room = { positions: new Map(), since: new Map(), gone: new Set(), sentTo: new Map(), asked: new Set() };
      this.#rooms.set(roomId, room);
    }
    return room;
  }
}
