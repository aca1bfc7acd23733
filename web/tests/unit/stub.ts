/** A client that talks to nobody: answers are given by a model of a room, events by the test. */

import type { AnyEvent, Client, Me, Message, MyRoom, OutboxEntry, ReadyFrame, User } from "@parley/client";
import { Cache } from "../../src/store/cache.ts";
import { Store } from "../../src/store/store.ts";
import { ME, type ModelRoom, ROOM } from "./model.ts";

class Watched<T> {
  value: T;
  readonly #listeners = new Set<(value: T) => void>();

  constructor(value: T) {
    this.value = value;
  }

  set(value: T): void {
    this.value = value;
    for (const listener of this.#listeners) listener(value);
  }

  subscribe(listener: (value: T) => void): () => void {
    listener(this.value);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

export const me: Me = {
  id: ME,
  username: "mia",
  display_name: "Mia",
  role: "user",
  rev: 1,
  read_receipts: true,
  created_at: "2026-11-30T09:00:00Z",
};

const user = (id: string): User => ({ id, username: id, display_name: id.charAt(0).toUpperCase() + id.slice(1) });

export const myRoom = (model: ModelRoom, more: Partial<MyRoom> = {}): MyRoom => ({
  id: ROOM,
  kind: "room",
  name: "Kitchen",
  topic: "what is cooked",
  visibility: "public",
  encryption: "plain",
  history: "all",
  language: "english",
  slow_mode_s: 0,
  rev: 1,
  created_by: ME,
  created_at: "2026-11-30T09:00:00Z",
  role: "owner",
  from_seq: 1,
  head: model.seq,
  read_seq: model.seq,
  unread: 0,
  mentions: 0,
  member_count: 3,
  ...more,
});

export class StubClient {
  readonly state = new Watched<Client["state"]["value"]>({ name: "live", since: 0 });
  readonly entries = new Watched<readonly OutboxEntry[]>([]);
  readonly sent: { roomId: string; body: string }[] = [];
  readonly reads: { roomId: string; seq: number }[] = [];
  readonly calls: string[] = [];
  readonly #listeners = new Map<string, Set<(value: never) => void>>();
  readonly #model: ModelRoom;

  constructor(model: ModelRoom) {
    this.#model = model;
  }

  get outbox() {
    return { entries: this.entries, retry: () => null, remove: () => true };
  }

  get positions() {
    return { epoch: "e1", at: { [`room:${ROOM}`]: this.#model.seq } };
  }

  get details() {
    return {
      state: this.state.value,
      connectionId: "c-1",
      sessionId: "s-1",
      rttMs: 12.4,
      lastClose: { code: 4001, reason: "drain", connectionId: "c-0" },
      epoch: "e1",
      streams: [{ stream: `room:${ROOM}`, seq: 3, head: 5 }],
      unsent: 0,
    };
  }

  get api() {
    const model = this.#model;
    const members = [ME, "ann", "ben"].map(user_id => ({
      user_id,
      role: user_id === ME ? "owner" : "member",
      from_seq: 1,
      joined_at: "",
      muted_until: null,
    }));
    const call =
      <T>(name: string, answer: (...given: never[]) => T) =>
      async (...given: never[]): Promise<T> => {
        this.calls.push(name);
        return answer(...given);
      };
    return {
      users: {
        me: call("me", () => me),
        byIds: call("byIds", (ids: string[]) => ({ items: ids.map(user) })),
        blocks: call("blocks", () => ({ items: [], next: null })),
        find: call("find", () => ({ items: [], next: null })),
      },
      rooms: {
        get: call("room", () => myRoom(model)),
        list: call("rooms", () => ({ items: [myRoom(model)], next: null })),
        members: call("members", () => ({ items: members, next: null })),
        directory: call("directory", () => ({
          items: [{ ...myRoom(model), joined: false, id: "other", name: "Garden" }],
          next: null,
        })),
        privacy: call("privacy", () => ({
          encryption: "plain",
          summary: "In short.",
          searchable: true,
          can_read: ["Members"],
          cannot_read: [],
          not_protected: [],
        })),
      },
      messages: {
        page: call("page", (_: string, where: object = {}) => model.page(where)),
        get: call("get", (_: string, id: string) => model.get(id)),
        thread: call("thread", (_: string, id: string) => ({
          root: model.get(id),
          items: model.thread(id),
          next: null,
          following: true,
          unread: 0,
        })),
        status: call("status", () => ({
          members: 2,
          delivered: 2,
          read: 1,
          recipients: [
            { user_id: "ann", state: "read" },
            { user_id: "ben", state: "delivered" },
          ],
        })),
        pins: call("pins", () => ({ items: model.page({}).items.slice(0, 1), next: null })),
        edit: call("edit", (_: string, id: string) => model.get(id)),
      },
      search: {
        messages: call("search", () => ({
          items: model.page({}).items.map((message: Message) => ({ message, highlights: [[0, 2]] })),
          next: null,
        })),
      },
      notifications: { list: call("notifications", () => ({ items: [], next: null })) },
      presence: {
        get: call("presence", (ids: string[]) => ({
          items: ids.map(user_id => ({ user_id, status: "online", text: null, last_seen: null })),
        })),
      },
      media: { url: () => "about:blank" },
    };
  }

  on(name: string, listener: (value: never) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  emit(name: string, value: unknown): void {
    for (const listener of this.#listeners.get(name) ?? []) listener(value as never);
  }

  /** What the model has done last, as an event. */
  tell(): void {
    const seq = this.#model.seq;
    this.emit("event", { type: "event", stream: `room:${ROOM}`, seq, event: this.#model.events.at(-1) as AnyEvent });
  }

  ready(room: MyRoom): void {
    this.emit("ready", {
      type: "ready",
      user: me,
      epoch: "e1",
      rooms: [room],
      more_rooms: false,
      streams: {},
    } as unknown as ReadyFrame);
  }

  async send(roomId: string, { body }: { body: string }): Promise<void> {
    this.sent.push({ roomId, body });
  }

  tryNow(): void {
    this.calls.push("tryNow");
  }
  typing(): void {}
  read(roomId: string, seq: number): void {
    this.reads.push({ roomId, seq });
  }
  delivered(): void {}
  async watchPresence(): Promise<void> {}
}

/** Somebody who is signed in, with one room. */
export async function signedIn(
  model: ModelRoom,
  more: Partial<MyRoom> = {},
): Promise<{ client: StubClient; store: Store; session: never }> {
  const client = new StubClient(model);
  const remembered = { userId: ME, me: null, rooms: [], users: [], windows: [], room: null, positions: null };
  const store = new Store(client as unknown as Client, await Cache.open(`stub-${Math.random()}`), remembered);
  client.ready(myRoom(model, more));
  return { client, store, session: { name: "in", client, store } as never };
}
