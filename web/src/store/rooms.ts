/** One's rooms: who one is in them, how far one has read, what waits. */

import type { AnyEvent, MyRoom, ReadyFrame } from "@parley/client";
import { Topic } from "./topic.ts";

/** Places in a list are below, times above. */
const RANKS = 1_000_000;
/** So long after an answer an event may tell of what the answer counts already. */
const DOUBT_MS = 5_000;

export class RoomList extends Topic {
  readonly #me: string;
  #rooms = new Map<string, MyRoom>();
  /** Milliseconds since 1970 of the newest message, or a rank below all of these for rooms of which that is not known. */
  readonly #activity = new Map<string, number>();
  #sorted: readonly MyRoom[] | null = null;
  /** The list is whole; before, only what was kept from the last visit. */
  #complete = false;
  /** How far one's own stream had come in the last `ready`: what it says is of that moment. */
  #counted = 0;
  /** When an answer told of a room, in ms of the page's clock. It does not say up to where in one's own stream it is true. */
  readonly #answered = new Map<string, number>();

  constructor(me: string, remembered: readonly MyRoom[] = []) {
    super();
    this.#me = me;
    this.#fill(remembered);
  }

  get isComplete(): boolean {
    return this.#complete;
  }

  /** The most recently active first. */
  get all(): readonly MyRoom[] {
    this.#sorted ??= [...this.#rooms.values()]
      .filter(room => room.deleted_at == null)
      .sort((one, other) => this.#active(other) - this.#active(one));
    return this.#sorted;
  }

  /** Those that one has owned and may still bring back. */
  get deleted(): readonly MyRoom[] {
    return [...this.#rooms.values()].filter(room => room.deleted_at != null);
  }

  get(id: string): MyRoom | undefined {
    return this.#rooms.get(id);
  }

  /** How many rooms have something new, by what one wants to be told of; and how many times one is spoken to. */
  get totals(): { unread: number; mentions: number } {
    let unread = 0;
    let mentions = 0;
    for (const room of this.all) {
      if (room.notify !== "none") unread += room.unread > 0 ? 1 : 0;
      mentions += room.mentions;
    }
    return { unread, mentions };
  }

  /** The rooms of a `ready` frame: the most recently active, and all of them unless there are more. Those no longer there are gone. */
  ready(frame: Pick<ReadyFrame, "rooms" | "more_rooms" | "streams">): string[] {
    this.#counted = frame.streams[`user:${this.#me}`]?.head ?? 0;
    this.#answered.clear();
    const named = new Set(frame.rooms.map(({ id }) => id));
    const gone = frame.more_rooms ? [] : [...this.#rooms.keys()].filter(id => !named.has(id));
    for (const id of gone) this.#rooms.delete(id);
    this.#fill(frame.rooms);
    if (!frame.more_rooms) this.#complete = true;
    this.#changed();
    return gone;
  }

  /** What one has read here and the server has not noted down: a gateway that ends takes a second of it along. Before `ready`. */
  ahead(rooms: readonly MyRoom[]): { id: string; seq: number }[] {
    return rooms.flatMap(({ id, read_seq, head }) => {
      const seq = this.#rooms.get(id)?.read_seq ?? 0;
      return seq > read_seq && seq <= head ? [{ id, seq }] : [];
    });
  }

  /** More of them, or one as an answer told it. */
  take(rooms: readonly MyRoom[], complete = false): void {
    for (const room of rooms) {
      this.#rooms.set(room.id, this.#newest(room));
      this.#answered.set(room.id, performance.now());
    }
    for (const room of rooms) {
      if (!this.#note(room) && !this.#activity.has(room.id)) this.#activity.set(room.id, Date.parse(room.created_at));
    }
    this.#complete ||= complete;
    this.#changed();
  }

  remove(id: string): void {
    if (this.#rooms.delete(id)) this.#changed();
  }

  /** One has read up to here, on this device or another. What is unread beyond is counted in `later`, if that is known. */
  read(id: string, seq: number, later: { unread: number } | null): void {
    const room = this.#rooms.get(id);
    if (room === undefined || seq <= room.read_seq) return;
    const all = seq >= room.head;
    const unread = all ? 0 : (later?.unread ?? room.unread);
    this.#set({ ...room, read_seq: seq, unread, mentions: all ? 0 : room.mentions });
  }

  /** A mention, a reply or a direct message; seq: of one's own stream. False if the room must be read again to know how many there are. */
  notified(id: string, seq: number): boolean {
    const room = this.#rooms.get(id);
    // Replayed after a `ready` whose rooms count it already.
    if (room === undefined || seq <= this.#counted) return true;
    if (performance.now() - (this.#answered.get(id) ?? Number.NEGATIVE_INFINITY) < DOUBT_MS) return false;
    this.#set({ ...room, mentions: room.mentions + 1 });
    return true;
  }

  apply(id: string, seq: number, event: AnyEvent): void {
    const room = this.#rooms.get(id);
    // What the room's state contains already, as after a `ready` that says more than the events so far.
    if (room === undefined || seq <= room.head) {
      if (room !== undefined && event.kind === "room.updated" && event.room.rev > room.rev)
        this.#set({ ...room, ...event.room });
      return;
    }
    const now = { ...room, head: seq };
    switch (event.kind) {
      case "message.created":
        this.#activity.set(id, Date.parse(event.message.created_at));
        if (event.message.sender_id === this.#me) {
          now.read_seq = Math.max(room.read_seq, event.message.seq);
          now.unread = 0;
          now.mentions = 0;
        } else if (event.message.thread_root_id === null) now.unread += 1;
        break;
      case "member.joined":
        now.member_count += 1;
        break;
      case "member.left":
      case "member.removed":
        now.member_count -= 1;
        break;
      case "member.updated":
        if (event.user_id === this.#me) now.role = event.role;
        break;
      case "room.updated":
        if (event.room.rev >= room.rev) Object.assign(now, event.room);
        break;
    }
    this.#set(now);
  }

  #set(room: MyRoom): void {
    this.#rooms.set(room.id, room);
    this.#changed();
  }

  #fill(rooms: readonly MyRoom[]): void {
    rooms.forEach((room, at) => {
      // A history that is shorter than what one has read is another one: a backup was restored.
      const known = this.#rooms.get(room.id);
      this.#rooms.set(room.id, known !== undefined && known.read_seq > room.head ? room : this.#newest(room));
      // Their order says which was active last; a time that is known says more.
      if (!this.#note(room) && (this.#activity.get(room.id) ?? 0) < RANKS)
        this.#activity.set(room.id, rooms.length - at);
    });
  }

  /** One's own reading may be ahead of what the server had noted down. */
  #newest(room: MyRoom): MyRoom {
    const known = this.#rooms.get(room.id);
    if (known === undefined || known.read_seq <= room.read_seq) return room;
    const all = known.read_seq >= room.head;
    return { ...room, read_seq: known.read_seq, unread: all ? 0 : room.unread, mentions: all ? 0 : room.mentions };
  }

  #note(room: MyRoom): boolean {
    const at = Date.parse(room.last_message?.created_at ?? "");
    if (Number.isNaN(at)) return false;
    this.#activity.set(room.id, Math.max(at, this.#activity.get(room.id) ?? 0));
    return true;
  }

  #active(room: MyRoom): number {
    return this.#activity.get(room.id) ?? 0;
  }

  #changed(): void {
    this.#sorted = null;
    this.changed();
  }
}
