/** The law: what was read once and the events after it are what a fresh read says, whenever the read came between the events. */

import type { Message } from "@parley/client";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { apply, fromEvent, isMessageChange } from "../../src/store/message.ts";
import { Reading } from "../../src/store/reading.ts";
import { Run } from "../../src/store/run.ts";
import { Thread } from "../../src/store/thread.ts";
import { Timeline, type TimelineApi } from "../../src/store/timeline.ts";
import { ME, ModelRoom, ROOM } from "./model.ts";
import { Slow } from "./slow.ts";

const REACTIONS = ["like", "dislike", "👍", "❤️", "🀄"];
const PEOPLE = [ME, "ann", "ben"];

const operation = fc.record({
  what: fc.constantFrom(
    "say",
    "say",
    "say",
    "reply",
    "reply",
    "edit",
    "delete",
    "react",
    "react",
    "unreact",
    "pin",
    "unpin",
  ),
  who: fc.nat(PEOPLE.length - 1),
  which: fc.nat(1_000),
  reaction: fc.nat(REACTIONS.length - 1),
});
type Operation = typeof operation extends fc.Arbitrary<infer Found> ? Found : never;

function perform(room: ModelRoom, { what, who, which, reaction }: Operation): void {
  const ids = room.ids;
  const id = ids[which % ids.length] ?? "";
  const person = PEOPLE[who] ?? ME;
  const mark = REACTIONS[reaction] ?? "like";
  if (what === "say" || ids.length === 0) room.say(person, `text ${which}`);
  else if (what === "reply") room.say(person, `reply ${which}`, room.roots[which % room.roots.length] ?? null);
  else if (what === "edit") room.edit(id, `edited ${which}`);
  else if (what === "delete") room.delete(id);
  else if (what === "react" || what === "unreact") room.react(id, person, mark, what === "react");
  else room.pin(id, what === "pin");
}

class SlowApi extends Slow {
  readonly #room: ModelRoom;

  constructor(room: ModelRoom) {
    super();
    this.#room = room;
  }

  get messages() {
    const room = this.#room;
    return {
      page: (_: string, where: object = {}) => this.later(() => room.page({ ...where, limit: 6 })),
      get: (_: string, id: string) => this.later(() => room.get(id)),
      thread: (_: string, id: string) =>
        this.later(() => ({ root: room.get(id), items: room.thread(id), next: null, following: false, unread: 0 })),
      follow: () => Promise.resolve(undefined),
      unfollow: () => Promise.resolve(undefined),
    } as never;
  }
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ step: fc.constant("operate" as const), operation }) },
  { weight: 4, arbitrary: fc.record({ step: fc.constant("deliver" as const) }) },
  { weight: 2, arbitrary: fc.record({ step: fc.constant("answer" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      step: fc.constantFrom(
        "older" as const,
        "newer" as const,
        "present" as const,
        "wait" as const,
        "trim" as const,
        "oldest" as const,
        "newest" as const,
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ step: fc.constant("jump" as const), seq: fc.nat(60) }) },
);

test("a timeline that is read and paged while things happen says in the end what a fresh read says", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(operation, { maxLength: 25 }),
      fc.array(step, { maxLength: 120 }),
      async (before, steps) => {
        const room = new ModelRoom();
        for (const one of before) perform(room, one);
        const api = new SlowApi(room);
        const timeline = new Timeline(ROOM, ME, api, null, new Reading(() => Date.now()));
        let heard = room.seq;
        const deliver = () => {
          const event = room.events[heard];
          if (event !== undefined) timeline.apply(++heard, event);
        };
        void timeline.open();
        for (const one of steps) {
          if (one.step === "operate") perform(room, one.operation);
          else if (one.step === "deliver") deliver();
          else if (one.step === "answer") await api.answer();
          else if (one.step === "older") void timeline.older();
          else if (one.step === "newer") void timeline.newer();
          else if (one.step === "present") void timeline.present();
          else if (one.step === "trim") timeline.trim(4);
          else if (one.step === "oldest" || one.step === "newest") timeline.narrow(one.step, 5);
          else if (one.step === "jump") void timeline.around(one.seq);
          else await vi.advanceTimersByTimeAsync(1_500);
        }
        // Everything is told, and doubts are settled.
        while (heard < room.seq) deliver();
        for (let i = 0; i < 6; i++) {
          await api.answerAll();
          await vi.advanceTimersByTimeAsync(4_000);
        }
        for (const run of [timeline.live, timeline.run]) {
          if (run === null) continue;
          expect(shown(run.messages)).toEqual(shown(fresh(room, run)));
        }
        expect(timeline.live?.last?.id).toEqual(room.page({ limit: 1_000 }).items.at(-1)?.id);
        timeline.close();
      },
    ),
    { numRuns: 300 },
  );
});

test("what was read before a cut leaves no hole behind it", async () => {
  const room = new ModelRoom();
  for (let number = 0; number < 40; number += 1) room.say("ann", `text ${number}`);
  const api = new SlowApi(room);
  const timeline = new Timeline(ROOM, ME, api);
  const read = async (work: Promise<void>): Promise<void> => {
    await api.answerAll();
    await work;
  };
  const isWhole = () => expect(shown(timeline.messages)).toEqual(shown(fresh(room, timeline.run as Run)));
  await read(timeline.open());
  await read(timeline.older());
  const upwards = timeline.older();
  timeline.trim(4);
  await read(upwards);
  isWhole();
  // As one scrolls up and down again, with no more in hand than that.
  for (const [direction, kept] of [
    ["older", "oldest"],
    ["newer", "newest"],
  ] as const) {
    for (let turn = 0; turn < 12; turn += 1) {
      await read(timeline[direction]());
      timeline.narrow(kept, 10);
      expect(timeline.messages.length).toBeLessThanOrEqual(10);
      isWhole();
    }
  }
  expect(timeline.messages.at(-1)?.body).toBe("text 39");
  await read(timeline.around(20));
  const downwards = timeline.newer();
  timeline.narrow("oldest", 3);
  await read(downwards);
  isWhole();
});

test("who opens a timeline while its first page is on its way waits for that one", async () => {
  const room = new ModelRoom();
  room.say("ann", "text");
  const page = vi.fn(async () => room.page({}));
  const timeline = new Timeline(ROOM, ME, { messages: { page, get: () => Promise.reject(new Error()) } });
  void timeline.open();
  await timeline.open();
  expect(timeline.messages).toHaveLength(1);
  await timeline.open();
  expect(page).toHaveBeenCalledTimes(1);
});

test("what could not be read anew when too much was missed is tried again, and is not whole until then", async () => {
  const room = new ModelRoom();
  room.say("ann", "before");
  let fails = false;
  const page = vi.fn(async () => (fails ? Promise.reject(new Error("away")) : room.page({})));
  const timeline = new Timeline(ROOM, ME, { messages: { page, get: () => Promise.reject(new Error()) } });
  await timeline.open();
  room.say("ann", "missed");
  fails = true;
  await timeline.resync(true);
  expect([timeline.isWhole, timeline.messages.length]).toEqual([false, 1]);
  fails = false;
  await vi.advanceTimersByTimeAsync(10_000);
  expect([timeline.isWhole, timeline.messages.length]).toEqual([true, 2]);
  fails = true;
  await timeline.resync(true);
  timeline.close();
  page.mockClear();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(page).not.toHaveBeenCalled();
});

test("who has more to read than a page holds begins where he stopped, and the newest come after that", async () => {
  const room = new ModelRoom();
  for (let seq = 1; seq <= 120; seq += 1) room.say("ann", `text ${seq}`);
  const asked: unknown[] = [];
  const page: TimelineApi["messages"]["page"] = async (_, { limit, ...where } = {}) => {
    asked.push(where);
    return room.page(where);
  };
  const begun = async (unread: number): Promise<Timeline> => {
    asked.length = 0;
    const timeline = new Timeline(ROOM, ME, { messages: { page, get: () => Promise.reject(new Error()) } });
    void timeline.begin({ unread, read_seq: 120 - unread });
    await timeline.begin({ unread, read_seq: 120 - unread });
    return timeline;
  };
  const far = await begun(100);
  expect([asked, far.isPresent, far.get("m20")?.seq, far.live?.last?.seq]).toEqual([
    [{ around: 20 }, {}],
    false,
    20,
    120,
  ]);
  const near = await begun(50);
  expect([asked, near.isPresent, near.messages.at(-1)?.seq]).toEqual([[{}], true, 120]);
});

test("a thread that is read while things happen says in the end what a fresh read says", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80 }), async steps => {
      const room = new ModelRoom();
      room.say(ME, "root");
      const api = new SlowApi(room);
      const thread = new Thread(ROOM, "m1", ME, api);
      let heard = room.seq;
      void thread.load();
      for (const one of steps) {
        if (one.step === "operate") perform(room, one.operation);
        else if (one.step === "deliver" && heard < room.seq) thread.apply(++heard, room.events[heard - 1] as never);
        else if (one.step === "answer") await api.answer();
      }
      while (heard < room.seq) thread.apply(++heard, room.events[heard - 1] as never);
      await api.answerAll();
      expect(shown(thread.replies ?? [])).toEqual(shown(room.thread("m1")));
      expect({ ...thread.root, reply_count: 0 }).toEqual({ ...room.get("m1"), reply_count: 0 });
    }),
    { numRuns: 200 },
  );
});

test("what was kept and the events after it, any of them told twice, are a fresh read", () => {
  fc.assert(
    fc.property(
      fc.array(operation, { minLength: 1, maxLength: 60 }),
      fc.nat(60),
      fc.nat(10),
      (operations, cut, back) => {
        const room = new ModelRoom();
        let kept: Message[] = [];
        let at = 0;
        operations.forEach((one, i) => {
          perform(room, one);
          if (i === cut) {
            kept = room.page({ limit: 1_000 }).items;
            at = room.seq;
          }
        });
        const run = new Run(kept, { older: false, newer: false });
        for (const event of room.events.slice(Math.max(0, at - back))) {
          if (event.kind === "message.created" && event.message.thread_root_id === null) {
            run.put(fromEvent(event.message, run.get(event.message.id), ME));
          } else if (isMessageChange(event)) {
            const known = run.get(event.message_id);
            if (known !== undefined) run.put(apply(known, event, ME));
          }
        }
        const bare = (messages: readonly Message[]) => messages.map(message => ({ ...message, reply_count: 0 }));
        expect(bare(run.messages)).toEqual(bare(room.page({ limit: 1_000 }).items));
      },
    ),
  );
});

function fresh(room: ModelRoom, run: Run): Message[] {
  const { first, last } = run;
  return room
    .page({ limit: 1_000 })
    .items.filter(
      message => message.seq >= (first?.seq ?? 0) && message.seq <= (run.newer ? (last?.seq ?? 0) : message.seq),
    );
}

/** Plain, so that a difference can be read. */
const shown = (messages: readonly Message[]) => messages.map(message => JSON.parse(JSON.stringify(message)));
