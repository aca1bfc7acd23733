/** Where one is in a room's messages, with a list that has no more of a layout than its heights. */

import { expect, test } from "vitest";
import { type List, Place } from "../../src/views/timeline/place.svelte.ts";
import { neighbour, type Row, rowsOf } from "../../src/views/timeline/rows.ts";
import { ME, ModelRoom } from "./model.ts";

const ROW_PX = 40;
const VIEW_PX = 400;

/** Messages 1 to `count` of somebody else, so many of them that one can scroll. */
function history(count: number, readSeq: number | null): Row[] {
  const room = new ModelRoom();
  for (let seq = 1; seq <= count; seq += 1) room.say("ann", `Message ${seq}`);
  const messages = room.page({ limit: count }).items;
  return rowsOf({ messages, entries: [], me: ME, fromStart: false, readSeq, echoes: new Map() });
}

function setting({ count = 100, readSeq = null as number | null, jumps = false, around = (): void => undefined } = {}) {
  const shown = { rows: history(count, readSeq), present: true };
  const asked: string[] = [];
  let offset = 0;
  const size = (): number => shown.rows.length * ROW_PX;
  const list: List = {
    getScrollOffset: () => offset,
    getScrollSize: size,
    getViewportSize: () => VIEW_PX,
    findItemIndex: at => Math.floor(at / ROW_PX),
    scrollToIndex(at, { align = "start", offset: more = 0 } = {}) {
      const over = { start: 0, center: (VIEW_PX - ROW_PX) / 2, end: VIEW_PX - ROW_PX, nearest: 0 }[align];
      scroll(at * ROW_PX - over + more);
    },
  };
  const tell = (what: string) => async (): Promise<void> => void asked.push(what);
  const place = new Place({
    timeline: {
      isPresent: true,
      around: async seq => {
        asked.push(`around ${seq}`);
        around();
      },
      older: tell("older"),
      newer: tell("newer"),
      present: async () => {
        asked.push("present");
        shown.present = true;
      },
      trim: most => void asked.push(`trim ${most}`),
      narrow: (kept, most) => void asked.push(`narrow ${kept} ${most}`),
    },
    shown: () => shown,
    list: () => list,
    scroller: () => undefined,
    moved: () => asked.push("moved"),
    readSeq,
    jumps,
  });
  function scroll(to: number): void {
    offset = Math.max(0, Math.min(size() - VIEW_PX, to));
    place.scrolled();
  }
  const rest = (): number => size() - offset - VIEW_PX;
  const say = (count: number): void => {
    shown.rows = history(shown.rows.length - 1 + count, readSeq);
    place.drawn(false);
  };
  return { place, shown, asked, list, scroll, rest, say, at: () => offset };
}

test("who has read everything begins at the newest, and follows what comes", async () => {
  const { place, rest, say, asked } = setting();
  // What fits is drawn first, and the rest once it is there.
  expect([place.seen(100), place.whole]).toEqual([null, false]);
  place.drawn(false);
  await expect.poll(() => place.placed).toBe(true);
  expect([place.follows, place.whole, rest(), place.seen(100)]).toEqual([true, true, 0, 100]);
  expect(asked).toEqual(["moved"]);
  say(3);
  await expect.poll(rest).toBe(0);
});

test("who has not begins at the first unread message, and follows nothing", async () => {
  const { place, shown, asked, at } = setting({ readSeq: 50 });
  expect(place.whole).toBe(false);
  place.drawn(false);
  await expect.poll(() => place.placed).toBe(true);
  expect([place.follows, place.whole]).toEqual([false, true]);
  expect(asked[0]).toBe("around 50");
  expect(at()).toBe(shown.rows.findIndex(({ kind }) => kind === "new") * ROW_PX - 80);
  // What is below the edge was not seen.
  expect(place.seen(100)).toBe(57);
});

test("only who scrolls leaves the newest: lines that come or grow do not", async () => {
  const { place, shown, scroll, at } = setting();
  place.drawn(false);
  await expect.poll(() => place.placed).toBe(true);
  shown.rows = history(103, null);
  place.scrolled();
  expect(place.follows).toBe(true);
  scroll(at() - 100);
  expect(place.follows).toBe(false);
  scroll(1e6);
  expect(place.follows).toBe(true);
  place.touch();
  shown.rows = history(110, null);
  place.scrolled();
  expect(place.follows).toBe(false);
});

test("near an end it reads on, and keeps no more than makes a difference", async () => {
  const { place, shown, scroll, asked } = setting();
  place.drawn(false);
  await expect.poll(() => place.placed).toBe(true);
  asked.length = 0;
  scroll(800);
  await expect.poll(() => asked).toEqual(["older", "moved", "narrow oldest 600"]);
  asked.length = 0;
  shown.present = false;
  scroll(1e6);
  expect(place.follows).toBe(false);
  await expect.poll(() => asked).toEqual(["newer", "moved", "narrow newest 600"]);
});

test("who follows for long keeps the newest", async () => {
  const { place, asked } = setting({ count: 900 });
  place.drawn(false);
  await expect.poll(() => asked).toEqual(["trim 400", "moved"]);
});

test("a message one has come for is in the middle, and the way back leads to the newest", async () => {
  const { place, shown, asked, at, rest } = setting({ jumps: true });
  place.drawn(true);
  expect(place.follows).toBe(false);
  expect(await place.goTo({ id: "m20", seq: 20 })).toBe(true);
  expect(asked[0]).toBe("around 20");
  expect(at()).toBe(20 * ROW_PX - (VIEW_PX - ROW_PX) / 2);
  expect(await place.goTo({ id: "elsewhere", seq: 20 })).toBe(false);
  shown.present = false;
  await place.toPresent();
  expect([asked.includes("present"), place.follows, rest()]).toEqual([true, true, 0]);
});

test("lines that come above on the way to a message do not lead back to the newest, and who goes there himself stays there", async () => {
  const { place, shown, scroll, at, rest } = setting({ around: () => scroll(1e6) });
  place.drawn(false);
  await expect.poll(() => place.placed).toBe(true);
  expect(await place.goTo({ id: "m20", seq: 20 })).toBe(true);
  const middle = shown.rows.findIndex(({ key }) => key === "m20") * ROW_PX - (VIEW_PX - ROW_PX) / 2;
  expect([place.follows, place.placed, at()]).toEqual([false, true, middle]);
  const going = place.goTo({ id: "m20", seq: 20 });
  await place.toPresent();
  expect([await going, place.follows, rest()]).toEqual([false, true, 0]);
});

test("the room opened once more shows what was unread if more came since, else the newest", async () => {
  const { place, shown, scroll, at, rest } = setting({ readSeq: 50 });
  place.drawn(false);
  await expect.poll(() => place.placed).toBe(true);
  scroll(0);
  await place.again(true);
  expect(at()).toBe(shown.rows.findIndex(({ kind }) => kind === "new") * ROW_PX - 80);
  await place.again(false);
  expect([place.follows, rest()]).toEqual([true, 0]);
});

test("arrow keys go from message to message, past what stands between them", () => {
  const rows = history(3, 1);
  expect(neighbour(rows, null, -1)?.id).toBe("m3");
  expect(neighbour(rows, "m2", -1)?.id).toBe("m1");
  expect(neighbour(rows, "m1", 1)).toEqual({ at: rows.length - 2, id: "m2" });
  expect(neighbour(rows, "m3", 1)?.id).toBe("m3");
  expect(neighbour([], null, 1)).toBe(undefined);
});
