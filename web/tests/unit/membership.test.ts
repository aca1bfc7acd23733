/** What becomes of what is shown of a room when one comes into it, goes, and comes again. */

import "fake-indexeddb/auto";
import type { Client } from "@parley/client";
import { expect, test, vi } from "vitest";
import { Cache, type Remembered } from "../../src/store/cache.ts";
import { Store } from "../../src/store/store.ts";
import { ME, ModelRoom, ROOM } from "./model.ts";
import { myRoom, StubClient, signedIn } from "./stub.ts";

const USER = `user:${ME}`;
const NOTHING: Remembered = { userId: ME, me: null, rooms: [], users: [], windows: [], room: null, positions: null };
const joined = { kind: "room.joined", at: "", actor_id: ME, room_id: ROOM, from_seq: 2 };

test("who looks at a room while he joins it sees what is said from then on", async () => {
  const model = new ModelRoom();
  model.say("ann", "Before");
  const { client, store } = await signedIn(model);
  client.emit("event", { stream: USER, seq: 1, event: { kind: "room.left", room_id: ROOM, to_seq: 2 } });
  // As its view does: it has the messages in hand when the event of the joining comes.
  store.show(ROOM);
  const timeline = store.timeline(ROOM);
  const members = store.members(ROOM);
  await members.load();
  store.take(myRoom(model));
  await timeline.open();
  client.emit("event", { stream: USER, seq: 2, event: joined });
  model.say("ann", "Welcome");
  client.tell();
  await vi.waitFor(() => expect(timeline.messages.map(({ body }) => body)).toEqual(["Before", "Welcome"]));
  model.say("ann", "And again");
  client.tell();
  expect(timeline.messages.at(-1)?.body).toBe("And again");
  expect([store.timeline(ROOM), store.members(ROOM)]).toEqual([timeline, members]);
  store.close();
});

test("who has written what is asked for as soon as it is there, and it does not wait for the names", async () => {
  const model = new ModelRoom();
  for (const sender of ["ann", "ben", "ann"]) model.say(sender, "Hello");
  const client = new StubClient(model);
  const asked: string[][] = [];
  const byIds = (ids: string[]) => new Promise(() => asked.push(ids));
  const { api } = client;
  vi.spyOn(client, "api", "get").mockReturnValue({ ...api, users: { ...api.users, byIds } } as never);
  const cache = await Cache.open("names");
  const store = new Store(client as unknown as Client, cache, NOTHING);
  await store.timeline(ROOM).open();
  expect(store.timeline(ROOM).messages).toHaveLength(3);
  expect(asked).toEqual([["ann", "ben"]]);
  store.close();
});

test("what was said while one was away is there when one comes back", async () => {
  const model = new ModelRoom();
  model.say("ann", "Before");
  const { client, store } = await signedIn(model);
  const old = store.timeline(ROOM);
  await old.open();
  client.emit("event", { stream: USER, seq: 1, event: { kind: "room.left", room_id: ROOM, to_seq: 2 } });
  model.say("ann", "Meanwhile");
  store.take(myRoom(model));
  const fresh = store.timeline(ROOM);
  expect(fresh).not.toBe(old);
  await fresh.open();
  client.emit("event", { stream: USER, seq: 2, event: joined });
  await fresh.open();
  expect(fresh.messages.map(({ body }) => body)).toEqual(["Before", "Meanwhile"]);
  store.close();
});

test("who has left is not waited for, and who has come later was sent nothing before", async () => {
  const model = new ModelRoom();
  model.say(ME, "To ann and ben");
  const { client, store } = await signedIn(model);
  const stream = `room:${ROOM}`;
  const told = (seq: number, kind: string, user_id: string) =>
    client.emit("event", { stream, seq, event: { kind, at: "", actor_id: user_id, user_id, role: "member" } });
  const of = () => store.receipts.of(ROOM, 1, ME, (store.rooms.get(ROOM)?.member_count ?? 0) - 1);
  client.emit("receipt", { room_id: ROOM, user_id: "ann", delivered_seq: 1, read_seq: 1 });
  client.emit("receipt", { room_id: ROOM, user_id: "ben", delivered_seq: 1, read_seq: 1 });
  expect(of()).toEqual({ all: 2, delivered: 2, read: 2 });
  told(2, "member.joined", "cleo");
  expect(of()).toEqual({ all: 2, delivered: 2, read: 2 });
  told(3, "member.left", "ben");
  expect(of()).toEqual({ all: 1, delivered: 1, read: 1 });
  store.close();
});

test("what others have is known at the next visit too, until who came and went was missed", async () => {
  const model = new ModelRoom();
  model.say(ME, "To ann and ben");
  const cache = await Cache.open("two-visits");
  await cache.begin(ME);
  const begin = (remembered: Remembered) => {
    const client = new StubClient(model);
    return { client, store: new Store(client as unknown as Client, cache, remembered) };
  };
  const of = (store: Store) => store.receipts.of(ROOM, 1, ME, 2);
  const first = begin(NOTHING);
  await first.store.timeline(ROOM).open();
  first.client.emit("receipt", { room_id: ROOM, user_id: "ann", delivered_seq: 1, read_seq: 1 });
  first.store.close();

  const { client, store } = begin((await cache.last()) as Remembered);
  expect(of(store)).toEqual({ all: 2, delivered: 1, read: 1 });
  // Its `ready` does not name the room's stream.
  client.ready(myRoom(model));
  expect(of(store)).toEqual({ all: 2, delivered: 0, read: 0 });
  store.close();
  cache.close();
});

test("messages with a hole among them are not kept for the next visit", async () => {
  const model = new ModelRoom();
  model.say("ann", "Before");
  const cache = await Cache.open("holes");
  await cache.begin(ME);
  const client = new StubClient(model);
  const { api } = client;
  let fails = false;
  const page = (...of: Parameters<typeof api.messages.page>) =>
    fails ? Promise.reject(new Error("away")) : api.messages.page(...of);
  vi.spyOn(client, "api", "get").mockReturnValue({ ...api, messages: { ...api.messages, page } } as never);
  const store = new Store(client as unknown as Client, cache, NOTHING);
  client.ready(myRoom(model));
  store.show(ROOM);
  await store.timeline(ROOM).open();
  store.touched(ROOM);
  const kept = async () => {
    store.saveNow();
    return (await cache.last())?.windows.map(({ messages }) => messages.length);
  };
  expect(await kept()).toEqual([1]);
  model.say("ann", "Missed");
  fails = true;
  client.emit("resync", { stream: `room:${ROOM}` });
  await expect.poll(() => store.timeline(ROOM).isWhole).toBe(false);
  store.touched(ROOM);
  expect(await kept()).toEqual([]);
  store.close();
  cache.close();
});
