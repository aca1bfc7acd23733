/** How far each stream has been read, so that nothing is missed and nothing is seen twice. No I/O. */

import { type ReadyFrame, type Resume, roomStream, type Stream, type StreamEvent } from "./protocol.ts";

/** One step of a stream, in its order. */
export interface EventNotice extends StreamEvent {
  type: "event";
}

/** Too much was missed, or the history is another one: read that stream's state again. Events go on after `head`. */
export interface ResyncNotice {
  type: "resync";
  stream: Stream;
  head: number;
}

/** One is no longer a member, or the room is no more. */
export interface GoneNotice {
  type: "gone";
  stream: Stream;
}

export type Notice = EventNotice | ResyncNotice | GoneNotice;

/** At most so many rooms may be named in a resume, besides the user's own stream. */
const MOST_RESUMED = 200;

export class Positions {
  #epoch: string | null;
  /** stream → the newest seq that was passed on; the most recently moved last. */
  readonly #at: Map<Stream, number>;
  readonly #heads = new Map<Stream, number>();

  constructor(from?: Resume) {
    this.#epoch = from?.epoch ?? null;
    this.#at = new Map(Object.entries(from?.at ?? {}));
  }

  /** `{epoch, at}`, null before the first connection. */
  all(): Resume | null {
    return this.#epoch === null ? null : { epoch: this.#epoch, at: Object.fromEntries(this.#at) };
  }

  /** Each stream's position, and the newest seq that is known of. */
  standings(): { stream: Stream; seq: number; head: number }[] {
    return [...this.#at].map(([stream, seq]) => ({ stream, seq, head: Math.max(seq, this.#heads.get(stream) ?? 0) }));
  }

  /** For the `auth` frame: the user's own stream first, then the rooms that moved last. Null for a first connection. */
  resume(): Resume | null {
    if (this.#epoch === null) return null;
    const all = [...this.#at];
    const own = all.filter(([stream]) => stream.startsWith("user:"));
    const rooms = all.filter(([stream]) => !stream.startsWith("user:"));
    return { epoch: this.#epoch, at: Object.fromEntries([...own, ...rooms.slice(-MOST_RESUMED)]) };
  }

  /** What `ready` says: where each stream stands. */
  ready({ epoch, streams, rooms }: Pick<ReadyFrame, "epoch" | "streams" | "rooms">): Notice[] {
    const notices: Notice[] = [];
    const known = this.#epoch !== null;
    // The most recently active come first there, and last here.
    const heads = new Map(rooms.map(room => [roomStream(room.id), room.head] as const).reverse());
    const resync = (stream: Stream, head: number) => {
      this.#set(stream, head);
      notices.push({ type: "resync", stream, head });
    };
    for (const [stream, { status, head }] of Object.entries(streams)) {
      this.#heads.set(stream, head);
      if (status === "gone") {
        if (this.#at.delete(stream)) notices.push({ type: "gone", stream });
      } else if (status === "resync") resync(stream, head);
      else if (!this.#at.has(stream)) this.#set(stream, head);
    }
    if (known && this.#epoch !== epoch) {
      // Another history: what was not named in the resume is as worthless as what was.
      for (const stream of [...this.#at.keys()]) {
        if (stream in streams) continue;
        this.#at.delete(stream);
        // Its head is not told, so the next event of it is the first.
        if (!heads.has(stream)) notices.push({ type: "resync", stream, head: 0 });
      }
    }
    for (const [stream, head] of heads) {
      if (stream in streams) continue;
      this.#heads.set(stream, head);
      const at = this.#at.get(stream);
      if (!known) this.#set(stream, head);
      // Not named in the resume: joined while away, which the user's own stream tells of, or one room too many.
      else if (at === undefined || at < head) resync(stream, head);
    }
    this.#epoch = epoch;
    return notices;
  }

  /** The seq after which events must be fetched first, or null if the frame follows on (or is old). */
  gap({ stream, seq }: StreamEvent): number | null {
    const at = this.#at.get(stream);
    return at !== undefined && seq > at + 1 ? at : null;
  }

  /** The frame as an event, once; nothing if it was seen before. */
  take({ stream, seq, event }: StreamEvent): Notice[] {
    const at = this.#at.get(stream);
    if (at !== undefined && seq <= at) return [];
    this.#set(stream, seq);
    const notices: Notice[] = [{ type: "event", stream, seq, event }];
    if (event.kind === "room.joined") {
      // A new membership begins at its own first event; what lies before is no gap. Its events, or the head that `ready`
      // told, may have come first: a position never goes back.
      const room = roomStream(event.room_id);
      this.#set(room, Math.max(this.#at.get(room) ?? 0, event.from_seq - 1));
    } else if (event.kind === "room.left") {
      const room = roomStream(event.room_id);
      const standing = this.#at.get(room);
      // At or beyond to_seq it is the position of a later membership.
      if (standing !== undefined && standing < event.to_seq) {
        this.#at.delete(room);
        notices.push({ type: "gone", stream: room });
      }
    }
    return notices;
  }

  /** Give up what lies between the position and the frame. */
  skip({ stream, seq }: StreamEvent): Notice {
    this.#set(stream, seq - 1);
    return { type: "resync", stream, head: seq - 1 };
  }

  #set(stream: Stream, seq: number): void {
    this.#at.delete(stream);
    this.#at.set(stream, seq);
  }
}
