/** What one has read, what waits, and in which order rooms stand. */

import "fake-indexeddb/auto";
import type { AnyEvent, MyRoom } from "@parley/client";
import { expect, test } from "vitest";
import { RoomList } from "../../src/store/rooms.ts";
import { ME, ModelRoom, ROOM } from "./model.ts";
import { myRoom, signedIn } from "./stub.ts";

const roomOf = (id: string, more: Partial<MyRoom> = {}): MyRoom => ({
  id,
  kind: "room",
  name: id,
  topic: "",
  visibility: "public",
  encryption: "plain",
  history: "all",
  language: "english",
  slow_mode_s: 0,
  rev: 1,
  created_by: ME,
  created_at: "2026-11-30T09:00:00Z",
  role: "member",
  from_seq: 1,
  head: 0,
  read_seq: 0,
  unread: 0,
  mentions: 0,
  member_count: 2,
  ...more,
});

function said(sender: string, body = "text", root: string | null = null): AnyEvent {
  const room = new ModelRoom();
  if (root !== null) room.say(ME, "root");
  room.say(sender, body, root);
  return room.events.at(-1) as AnyEvent;
}

const ready = (...rooms: MyRoom[]) => ({ rooms, more_rooms: false, streams: {} });

test("messages of others count once, also when they are told again", () => {
  const list = new RoomList(ME);
  list.ready(ready(roomOf("a", { head: 4, read_seq: 3, unread: 1 })));
  // Replayed: the room's state counts it already.
  list.apply("a", 4, said("ann"));
  expect(list.get("a")?.unread).toBe(1);
  list.apply("a", 5, said("ann"));
  list.apply("a", 5, said("ann"));
  expect(list.get("a")).toMatchObject({ unread: 2, head: 5 });
});

test("a mention counts once, also when one's own stream is replayed", () => {
  const list = new RoomList(ME);
  const streams = { [`user:${ME}`]: { status: "recovered" as const, head: 7 } };
  list.ready({ ...ready(roomOf("a", { head: 4, unread: 1, mentions: 1 })), streams });
  list.notified("a", 7);
  expect(list.get("a")?.mentions).toBe(1);
  list.notified("a", 8);
  expect(list.get("a")?.mentions).toBe(2);
});

test("a mention that an answer may count already is not counted by its event", () => {
  const list = new RoomList(ME);
  list.ready(ready(roomOf("a", { head: 3 })));
  expect(list.notified("a", 8)).toBe(true);
  list.take([roomOf("a", { head: 5, unread: 2, mentions: 2 })]);
  expect(list.notified("a", 9)).toBe(false);
  expect(list.get("a")?.mentions).toBe(2);
  list.ready(ready(roomOf("a", { head: 5, unread: 2, mentions: 2 })));
  expect(list.notified("a", 10)).toBe(true);
  expect(list.get("a")?.mentions).toBe(3);
});

test("replies do not count as unread in the room", () => {
  const list = new RoomList(ME);
  list.ready(ready(roomOf("a")));
  list.apply("a", 1, said("ann", "reply", "m1"));
  expect(list.get("a")).toMatchObject({ unread: 0, head: 1 });
});

test("writing reads the room, and so does reading it on another device", () => {
  const list = new RoomList(ME);
  list.ready(ready(roomOf("a", { head: 3, read_seq: 0, unread: 3, mentions: 1 }), roomOf("b", { head: 9, unread: 4 })));
  list.apply("a", 4, said(ME));
  expect(list.get("a")).toMatchObject({ unread: 0, mentions: 0 });
  list.read("b", 7, { unread: 1 });
  expect(list.get("b")).toMatchObject({ unread: 1, read_seq: 7 });
  list.read("b", 9, null);
  expect(list.get("b")?.unread).toBe(0);
  // Positions only grow.
  list.read("b", 2, { unread: 7 });
  expect(list.get("b")).toMatchObject({ read_seq: 9, unread: 0 });
});

test("what was read here is not unread again because the server has not noted it down yet", () => {
  const list = new RoomList(ME);
  list.ready(ready(roomOf("a", { head: 5, read_seq: 2, unread: 3, mentions: 1 })));
  list.read("a", 5, null);
  list.ready(ready(roomOf("a", { head: 5, read_seq: 2, unread: 3, mentions: 1 })));
  expect(list.get("a")).toMatchObject({ read_seq: 5, unread: 0, mentions: 0 });
});

test("what was read here is told again when a gateway has taken it along", async () => {
  const model = new ModelRoom();
  for (let at = 0; at < 4; at += 1) model.say("ann", "text");
  const { client, store } = await signedIn(model, { read_seq: 1, unread: 3 });
  store.read(ROOM, 4);
  client.ready(myRoom(model, { read_seq: 1, unread: 3 }));
  client.ready(myRoom(model, { read_seq: 4 }));
  expect(client.reads).toEqual([
    { roomId: ROOM, seq: 4 },
    { roomId: ROOM, seq: 4 },
  ]);
  store.close();
});

test("one has read nothing of a history that was restored and is shorter than before", async () => {
  const model = new ModelRoom();
  for (let at = 0; at < 4; at += 1) model.say("ann", "text");
  const { client, store } = await signedIn(model, { read_seq: 4 });
  client.ready(myRoom(model, { head: 3, read_seq: 1, unread: 2 }));
  expect(store.rooms.get(ROOM)).toMatchObject({ read_seq: 1, unread: 2 });
  expect(client.reads).toEqual([]);
  store.close();
});

test("the most recently active room stands first, and rooms that are left are gone", () => {
  const list = new RoomList(ME);
  list.ready(ready(roomOf("a"), roomOf("b"), roomOf("c")));
  expect(list.all.map(({ id }) => id)).toEqual(["a", "b", "c"]);
  list.apply("c", 1, said("ann"));
  expect(list.all.map(({ id }) => id)).toEqual(["c", "a", "b"]);
  expect(list.ready(ready(roomOf("a"), roomOf("c", { head: 1 })))).toEqual(["b"]);
  expect(list.all.map(({ id }) => id)).toEqual(["c", "a"]);
});

test("changes of a room apply by the greatest rev", () => {
  const list = new RoomList(ME);
  list.ready(ready(roomOf("a", { head: 2, rev: 3, name: "new" })));
  const { id, kind, topic, visibility, encryption, history, language, slow_mode_s, created_by, created_at } =
    roomOf("a");
  const room = { id, kind, topic, visibility, encryption, history, language, slow_mode_s, created_by, created_at };
  const updated = (rev: number, name: string) =>
    ({ kind: "room.updated", at: "", actor_id: null, room: { ...room, rev, name } }) as AnyEvent;
  list.apply("a", 2, updated(2, "old"));
  expect(list.get("a")?.name).toBe("new");
  list.apply("a", 3, updated(4, "newest"));
  expect(list.get("a")).toMatchObject({ name: "newest", head: 3, role: "member" });
});

test("a deleted room stands in no list but that of what its owners may bring back", async () => {
  const model = new ModelRoom();
  const { client, store } = await signedIn(model, { unread: 2, deleted_at: "2026-12-01T09:00:00Z" });
  expect([store.rooms.all, store.rooms.deleted.map(({ id }) => id), store.rooms.totals.unread]).toEqual([
    [],
    [ROOM],
    0,
  ]);
  // A resume that calls its stream gone knows less than the `ready` before it.
  const left: string[] = [];
  store.hooks.left = room => left.push(room.id);
  client.emit("gone", { stream: `room:${ROOM}` });
  expect([store.rooms.deleted.length, left]).toEqual([1, []]);
  store.close();
});
