/** Everything that the page shows of the server's state, kept true by events. */

import {
  type AnyEvent,
  type Client,
  each,
  type Image,
  type Me,
  type Message,
  type MyRoom,
  type Notification,
  ParleyError,
  roomOf,
} from "@parley/client";
import { Blocks } from "./blocks.ts";
import type { Cache, Remembered, StoredWindow } from "./cache.ts";
import { Presences, Receipts, Typing } from "./facts.ts";
import { Members } from "./members.ts";
import { Notifications } from "./notifications.ts";
import { People } from "./people.ts";
import { RoomList } from "./rooms.ts";
import { Run } from "./run.ts";
import { Thread } from "./thread.ts";
import { Timeline, type TimelineApi } from "./timeline.ts";
import { Topic } from "./topic.ts";

const SAVE_MS = 1_000;
/** Messages that are kept of a room between visits, and of one that nobody looks at. */
const KEPT = 100;
/** Rooms whose messages are kept in memory, and on disk. */
const MOST_ROOMS = 40;
const MOST_PEOPLE = 500;
const DELIVERED_MS = 300;

/** Oneself. */
export class Myself extends Topic {
  readonly id: string;
  #me: Me | null;

  constructor(id: string, me: Me | null) {
    super();
    this.id = id;
    this.#me = me;
  }

  /** Null until the first answer, if nothing was kept. */
  get value(): Me | null {
    return this.#me;
  }

  take(me: Me): void {
    if (this.#me !== null && me.rev < this.#me.rev) return;
    this.#me = me;
    this.changed();
  }
}

/** What the store tells besides its topics. */
export interface StoreHooks {
  /** Something for which one wants to be called. */
  notified?(notification: Notification): void;
  /** One is no longer in that room. */
  left?(room: MyRoom, deleted: boolean): void;
}

export class Store {
  readonly me: Myself;
  readonly rooms: RoomList;
  readonly people: People;
  readonly presences: Presences;
  readonly typing = new Typing();
  readonly receipts = new Receipts();
  readonly notifications: Notifications;
  readonly blocks: Blocks;
  readonly client: Client;
  /** One's own images of this visit: shown while the message that carries them is under way. */
  readonly uploads = new Map<string, Image>();
  /** Message id → client_msg_id of those sent in this visit: the same line on the screen before and after. */
  readonly echoes = new Map<string, string>();
  hooks: StoreHooks = {};
  readonly #cache: Cache;
  readonly #pages: TimelineApi;
  /** The most recently opened last. */
  readonly #timelines = new Map<string, Timeline>();
  readonly #members = new Map<string, Members>();
  /** The one that is looked at. */
  #thread: Thread | null = null;
  #shownRoom: string | null = null;
  #lastRoom: string | null;
  readonly #dirty = new Set<string>();
  readonly #gone = new Set<string>();
  readonly #delivered = new Map<string, number>();
  readonly #stops: (() => void)[] = [];
  #saving: ReturnType<typeof setTimeout> | undefined;
  #delivering: ReturnType<typeof setTimeout> | undefined;

  constructor(client: Client, cache: Cache, remembered: Remembered) {
    const { userId, me, rooms, users, windows, room } = remembered;
    const { api } = client;
    this.client = client;
    this.#cache = cache;
    this.#lastRoom = room;
    this.me = new Myself(userId, me);
    this.rooms = new RoomList(userId, rooms);
    this.people = new People(api, users);
    this.presences = new Presences(userId, client, api.presence);
    this.notifications = new Notifications(api);
    this.blocks = new Blocks(api.users);
    this.#pages = {
      messages: {
        get: api.messages.get,
        // Who has written them is asked for now, not when they are drawn: so the names come nearly with them.
        page: async (roomId, where) => {
          const page = await api.messages.page(roomId, where);
          this.people.expect(page.items.map(({ sender_id }) => sender_id));
          return page;
        },
      },
    };
    for (const { room_id, messages, older, receipts } of windows) {
      if (receipts !== undefined) this.receipts.recall(room_id, receipts);
      this.#timelines.set(
        room_id,
        new Timeline(room_id, userId, this.#pages, new Run(messages, { older, newer: false })),
      );
    }
    this.#listen();
  }

  #listen(): void {
    const { client } = this;
    this.#stops.push(
      client.on("ready", frame => {
        this.me.take(frame.user);
        const ahead = this.rooms.ahead(frame.rooms);
        for (const id of this.rooms.ready(frame)) this.#leave(id);
        for (const { id, seq } of ahead) client.read(id, seq);
        if (frame.more_rooms) void this.#restOfRooms();
        // Whose stream was not named in the resume goes on from its head, and what is kept of it may have holes.
        const standings = frame.streams;
        for (const [id, timeline] of this.#timelines) {
          if (standings[`room:${id}`] !== undefined || timeline.live === null) continue;
          this.receipts.forget(id);
          void timeline.resync(id === this.#shownRoom);
        }
        this.presences.refresh();
        void quietly(() => this.blocks.load());
        if (this.notifications.all !== null) void this.notifications.load();
        this.#save();
      }),
      client.on("event", ({ stream, seq, event }) => this.#event(stream, seq, event)),
      client.on("resync", ({ stream }) => void this.#resync(roomOf(stream))),
      client.on("gone", ({ stream }) => this.#leave(roomOf(stream) ?? "")),
      client.on("typing", frame => this.typing.take(frame)),
      client.on("presence", frame => this.presences.take(frame)),
      client.on("receipt", frame => {
        if (frame.user_id === this.me.id) this.#ownReading(frame.room_id, frame.read_seq);
        else {
          this.receipts.take(frame);
          this.touched(frame.room_id);
        }
      }),
      client.on("sent", ({ entry, ack }) => {
        const media = (entry.media_ids ?? []).flatMap(id => this.uploads.get(id) ?? []);
        this.echoes.set(ack.message_id, entry.client_msg_id);
        this.#timelines.get(entry.room_id)?.sent(entry, ack, media);
        if (this.#thread?.roomId === entry.room_id) this.#thread.sent(entry, ack, media);
      }),
      client.state.subscribe(state => {
        if (state.name === "live" || state.name === "idle") return;
        this.typing.clear();
        this.presences.clear();
      }),
    );
  }

  // -- what views ask for

  /** The messages of a room; `open` it to have them read. */
  timeline(roomId: string): Timeline {
    const found = this.#timelines.get(roomId) ?? new Timeline(roomId, this.me.id, this.#pages);
    this.#timelines.delete(roomId);
    this.#timelines.set(roomId, found);
    for (const [id, old] of this.#timelines) {
      if (this.#timelines.size <= MOST_ROOMS) break;
      old.close();
      this.#timelines.delete(id);
      this.#members.delete(id);
      this.#gone.add(id);
    }
    return found;
  }

  /** As `timeline`, of a room whose messages are there already. */
  loaded(roomId: string): Timeline | undefined {
    return this.#timelines.get(roomId);
  }

  members(roomId: string): Members {
    const found = this.#members.get(roomId) ?? new Members(roomId, this.client.api);
    this.#members.set(roomId, found);
    return found;
  }

  /** A thread that is looked at from now on, instead of the one before. */
  thread(roomId: string, rootId: string): Thread {
    if (this.#thread?.roomId !== roomId || this.#thread.rootId !== rootId) {
      this.#thread = new Thread(roomId, rootId, this.me.id, this.client.api);
      void this.#thread.load();
    }
    return this.#thread;
  }

  closeThread(): void {
    this.#thread = null;
  }

  /** Which room is on the screen; null for none. */
  show(roomId: string | null): void {
    if (this.#shownRoom !== null && this.#shownRoom !== roomId) this.#timelines.get(this.#shownRoom)?.trim(KEPT);
    this.#shownRoom = roomId;
    if (roomId === null || roomId === this.#lastRoom) return;
    this.#lastRoom = roomId;
    this.#save();
  }

  get shownRoom(): string | null {
    return this.#shownRoom;
  }

  /** The one that was looked at last, also in the visit before, as long as one is in it. */
  get lastRoom(): MyRoom | null {
    const room = this.#lastRoom === null ? undefined : this.rooms.get(this.#lastRoom);
    return room === undefined || room.deleted_at ? null : room;
  }

  /** One has seen everything up to here. */
  read(roomId: string, seq: number): void {
    const room = this.rooms.get(roomId);
    if (room === undefined || seq <= room.read_seq) return;
    this.client.read(roomId, seq);
    this.#ownReading(roomId, seq);
  }

  /** Asks how far others are with one's newest messages, until one is found that all have read. */
  async askStatus(roomId: string, messages: readonly { id: string; seq: number }[]): Promise<void> {
    for (const { id, seq } of messages) {
      if (!this.receipts.wants(roomId, id)) continue;
      try {
        const status = await this.client.api.messages.status(roomId, id);
        this.receipts.status(roomId, id, seq, status);
        this.touched(roomId);
        if (status.read >= status.members) return;
      } catch {
        return;
      }
    }
  }

  /** A message as the server's answer to a change told it. */
  takeMessage(message: Message): void {
    this.#timelines.get(message.room_id)?.take(message);
    if (this.#thread?.roomId === message.room_id) this.#thread.take(message);
  }

  /** Joins, creates, adds: the room as the server's answer told it is there at once. */
  take(room: MyRoom): void {
    this.rooms.take([room]);
    this.#save();
  }

  /** Undoes a room's deletion. Throws ParleyError `not_found` when it is too late. */
  async restore(roomId: string): Promise<void> {
    this.take(await this.client.api.rooms.restore(roomId));
  }

  close(): void {
    this.saveNow();
    for (const stop of this.#stops.splice(0)) stop();
    for (const timeline of this.#timelines.values()) timeline.close();
    clearTimeout(this.#saving);
    clearTimeout(this.#delivering);
    this.typing.clear();
    this.people.close();
    this.presences.close();
  }

  // -- events

  #event(stream: string, seq: number, event: AnyEvent): void {
    const roomId = roomOf(stream);
    if (roomId === null) this.#ownEvent(seq, event);
    else this.#roomEvent(roomId, seq, event);
    this.#save();
  }

  #roomEvent(roomId: string, seq: number, event: AnyEvent): void {
    this.rooms.apply(roomId, seq, event);
    const timeline = this.#timelines.get(roomId);
    timeline?.apply(seq, event);
    if (roomId !== this.#shownRoom) timeline?.trim(2 * KEPT);
    // That one is muted is to be known before one goes there.
    if (event.kind === "member.updated" && event.user_id === this.me.id) this.members(roomId).apply(seq, event);
    else this.#members.get(roomId)?.apply(seq, event);
    if (this.#thread?.roomId === roomId) this.#thread.apply(seq, event);
    this.#dirty.add(roomId);
    if (event.kind === "message.created") {
      this.typing.stop(roomId, event.message.sender_id);
      if (event.message.sender_id !== this.me.id) this.#deliver(roomId, seq);
    } else if (event.kind === "member.joined") this.receipts.joined(roomId, event.user_id, seq);
    else if (event.kind === "member.left" || event.kind === "member.removed") this.receipts.left(roomId, event.user_id);
    else if (event.kind === "room.deleted") {
      const owned = this.rooms.get(roomId)?.role === "owner";
      this.#leave(roomId, true);
      // Its owners have it still, to bring it back.
      if (owned) void this.#readRoom(roomId);
    } else if (event.kind === "room.restored") void this.#readRoom(roomId);
  }

  #ownEvent(seq: number, event: AnyEvent): void {
    switch (event.kind) {
      case "room.joined":
        // Who looked at it from outside goes on looking at the same timeline.
        void this.#resync(event.room_id);
        break;
      case "room.left":
        this.#leave(event.room_id, event.reason === "deleted");
        break;
      case "notification.created": {
        const { notification } = event;
        this.notifications.add(notification);
        const isShown = notification.room_id === this.#shownRoom && document.hasFocus();
        if (notification.message_id !== null && !isShown && !this.rooms.notified(notification.room_id, seq))
          void this.#readRoom(notification.room_id);
        this.hooks.notified?.(notification);
        break;
      }
      case "notification.read":
        this.notifications.readUpTo(event.up_to);
        void this.#restOfRooms();
        break;
      case "account.updated":
        void this.#readMe();
        break;
    }
  }

  #ownReading(roomId: string, seq: number): void {
    const room = this.rooms.get(roomId);
    if (room === undefined) return;
    const run = this.#timelines.get(roomId)?.live;
    const later = run?.spans(seq)
      ? { unread: run.messages.filter(message => message.seq > seq && message.sender_id !== this.me.id).length }
      : null;
    this.rooms.read(roomId, seq, later);
    this.#save();
    if (seq >= room.head) this.notifications.roomRead(roomId, seq);
    else if (later === null) void this.#readRoom(roomId);
  }

  /** One device has it; said now and then rather than for each. */
  #deliver(roomId: string, seq: number): void {
    this.#delivered.set(roomId, seq);
    this.#delivering ??= setTimeout(() => {
      this.#delivering = undefined;
      for (const [id, at] of this.#delivered) this.client.delivered(id, at);
      this.#delivered.clear();
    }, DELIVERED_MS);
  }

  async #resync(roomId: string | null): Promise<void> {
    if (roomId === null) {
      await Promise.all([
        this.#readMe(),
        this.#restOfRooms(),
        this.notifications.all === null ? null : this.notifications.load(),
      ]);
      return;
    }
    this.#gone.add(roomId);
    this.#save();
    this.receipts.forget(roomId);
    const members = this.#members.get(roomId);
    const work = [
      this.#timelines.get(roomId)?.resync(roomId === this.#shownRoom),
      members?.load(true),
      this.#readRoom(roomId),
    ];
    if (this.#thread?.roomId === roomId) work.push(this.#thread.load());
    await Promise.all(work);
    this.touched(roomId);
  }

  #leave(roomId: string, deleted = false): void {
    const room = this.rooms.get(roomId);
    // What a `ready` has told of a deleted one is newer than that it is gone.
    if (room?.deleted_at != null) return;
    this.rooms.remove(roomId);
    this.#timelines.get(roomId)?.close();
    this.#timelines.delete(roomId);
    this.#members.delete(roomId);
    this.#gone.add(roomId);
    this.#save();
    if (room !== undefined) this.hooks.left?.(room, deleted);
  }

  // -- reading

  async #readMe(): Promise<void> {
    await quietly(async () => this.me.take(await this.client.api.users.me()));
  }

  async #readRoom(roomId: string): Promise<void> {
    await quietly(async () => {
      const room = await this.client.api.rooms.get(roomId);
      // Without a role it is the directory's view of a room that one is not in.
      if ("role" in room) this.rooms.take([room]);
    });
  }

  async #restOfRooms(): Promise<void> {
    await quietly(async () => {
      const rooms: MyRoom[] = [];
      for await (const room of each(of => this.client.api.rooms.list({ limit: 200, ...of }))) rooms.push(room);
      this.rooms.take(rooms, true);
    });
  }

  // -- keeping

  #save(): void {
    this.#saving ??= setTimeout(() => this.saveNow(), SAVE_MS);
  }

  /** At once, as before the page goes away. */
  saveNow(): void {
    clearTimeout(this.#saving);
    this.#saving = undefined;
    const positions = this.client.positions;
    if (positions === null) return;
    const windows: StoredWindow[] = [];
    for (const roomId of this.#dirty) {
      const timeline = this.#timelines.get(roomId);
      const run = timeline?.live;
      const seq = positions.at[`room:${roomId}`];
      if (run == null || seq === undefined || !timeline?.isWhole) continue;
      const messages = run.messages.slice(-KEPT);
      const older = run.older || run.length > KEPT;
      const receipts = this.receipts.known(roomId, messages[0]?.seq ?? seq);
      windows.push({ room_id: roomId, epoch: positions.epoch, seq, older, messages, receipts });
      this.#gone.delete(roomId);
    }
    const kept = {
      me: this.me.value,
      rooms: [...this.rooms.all],
      users: this.people.all.slice(-MOST_PEOPLE),
      room: this.#lastRoom,
      epoch: positions.epoch,
      userSeq: positions.at[`user:${this.me.id}`] ?? null,
    };
    void this.#cache.save(kept, windows, [...this.#gone]);
    this.#dirty.clear();
    this.#gone.clear();
  }

  /** Its messages were read, or how far others are with them: that is to be kept. */
  touched(roomId: string): void {
    this.#dirty.add(roomId);
    this.#save();
  }
}

/** In the background: what cannot be read now stays as it is, and the next event or connection tries again. */
async function quietly(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof ParleyError)) throw error;
  }
}
