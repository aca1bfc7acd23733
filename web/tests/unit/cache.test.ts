/** What the browser keeps between visits. */

import "fake-indexeddb/auto";
import type { Message, StoredEntry } from "@parley/client";
import { openDB } from "idb";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Cache, type Kept } from "../../src/store/cache.ts";
import { ModelRoom } from "./model.ts";

let name = "";
let cache: Cache;
const opened: Cache[] = [];

async function open(): Promise<Cache> {
  const found = await Cache.open(name);
  opened.push(found);
  return found;
}

beforeEach(async () => {
  name = `test-${Math.random()}`;
  cache = await open();
});
afterEach(() => {
  for (const one of opened.splice(0)) one.close();
});

const kept = (more: Partial<Kept> = {}): Kept => ({ me: null, rooms: [], users: [], epoch: "e1", userSeq: 7, ...more });

function messages(): Message[] {
  const room = new ModelRoom();
  room.say("ann", "one");
  return room.page({}).items;
}

const window = (roomId: string, seq: number, epoch = "e1") => ({
  room_id: roomId,
  epoch,
  seq,
  older: true,
  messages: messages(),
});

test("the next visit begins with what the last one had, and goes on from there", async () => {
  await cache.begin("me");
  await cache.save(kept(), [window("a", 12), window("b", 3)], []);
  const found = await (await open()).last();
  expect(found?.userId).toBe("me");
  expect(found?.windows.map(({ room_id }) => room_id)).toEqual(["a", "b"]);
  expect(found?.positions).toEqual({ epoch: "e1", at: { "room:a": 12, "room:b": 3, "user:me": 7 } });
});

test("which room was looked at last is kept, and one is in none where an older build has kept none", async () => {
  await cache.begin("me");
  await cache.save(kept({ room: "a" }), [], []);
  expect((await cache.last())?.room).toBe("a");
  await cache.save(kept(), [], []);
  expect((await cache.last())?.room).toBeNull();
});

test("messages of another history are not shown", async () => {
  await cache.begin("me");
  await cache.save(kept({ epoch: "e1" }), [window("a", 12)], []);
  await cache.save(kept({ epoch: "e2" }), [window("b", 1, "e2")], []);
  expect((await cache.last())?.windows.map(({ room_id }) => room_id)).toEqual(["b"]);
});

test("a position without its messages is not kept, nor a room that was left", async () => {
  await cache.begin("me");
  await cache.save(kept(), [window("a", 12), window("b", 3)], []);
  await cache.save(kept(), [], ["a"]);
  expect((await cache.last())?.positions?.at).toEqual({ "room:b": 3, "user:me": 7 });
});

test("signing out forgets what was seen, and keeps what is unsent", async () => {
  const entry: StoredEntry = {
    client_msg_id: "1",
    room_id: "a",
    body: "hi",
    created_at: 1,
    order: 1,
    user_id: "me",
    owner: "x",
  };
  await cache.begin("me");
  await cache.outbox.save(entry);
  await cache.save(kept(), [window("a", 12)], []);
  await cache.forget();
  expect(await cache.last()).toBeNull();
  expect(await (await open()).outbox.load()).toEqual([entry]);
  await cache.outbox.remove("1");
  expect(await cache.outbox.load()).toEqual([]);
});

test("another user finds nothing of the one before", async () => {
  await cache.begin("me");
  await cache.save(kept(), [window("a", 12)], []);
  await cache.begin("you");
  await cache.save(kept({ userSeq: 1 }), [], []);
  const found = await cache.last();
  expect([found?.userId, found?.windows]).toEqual(["you", []]);
});

test("a newer build in another tab is not held up, and this one goes on without its storage", async () => {
  await cache.begin("me");
  const newer = await openDB(name, 2, { upgrade: () => undefined });
  await cache.save(kept(), [window("a", 12)], []);
  expect(await cache.last()).toBeNull();
  newer.close();
});

test("a browser that does not open its storage holds nobody up", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const silent = vi.spyOn(indexedDB, "open").mockImplementation(() => new IDBOpenDBRequest());
  try {
    const opening = Cache.open(name);
    await vi.advanceTimersByTimeAsync(5_000);
    const found = await opening;
    await found.begin("me");
    expect(await found.last()).toBeNull();
  } finally {
    silent.mockRestore();
    vi.useRealTimers();
  }
});
