/** The lines of a timeline. */

import type { Message, OutboxEntry } from "@parley/client";
import { expect, test } from "vitest";
import { highlighted } from "../../src/views/search/highlights.ts";
import { endsOf, fromArrival, isShift, ownNewest, rowsOf } from "../../src/views/timeline/rows.ts";
import { ME, ModelRoom } from "./model.ts";

function said(...lines: [sender: string, body: string, at: string][]): Message[] {
  const room = new ModelRoom();
  for (const [sender, body] of lines) room.say(sender, body);
  return room.page({}).items.map((message, i) => ({ ...message, created_at: lines[i]?.[2] ?? "" }));
}

const entry = (id: string, body: string, at: string, state: OutboxEntry["state"] = "sending"): OutboxEntry => ({
  client_msg_id: id,
  room_id: "room",
  body,
  created_at: Date.parse(at),
  state,
});

const rows = (messages: Message[], entries: OutboxEntry[] = [], more: Partial<Parameters<typeof rowsOf>[0]> = {}) =>
  rowsOf({ messages, entries, me: ME, fromStart: false, readSeq: null, echoes: new Map(), ...more });

const kinds = (found: ReturnType<typeof rowsOf>) =>
  found.map(row =>
    row.kind === "message" || row.kind === "entry" ? `${row.kind}${row.grouped ? "+" : ""}` : row.kind,
  );

test("days are separated, and what one says within minutes stands together", () => {
  const found = rows(
    said(
      ["ann", "a", "2026-11-29T12:00:00Z"],
      ["ann", "b", "2026-11-29T12:01:00Z"],
      ["ben", "c", "2026-11-29T12:02:00Z"],
      ["ben", "d", "2026-11-29T12:09:00Z"],
      ["ben", "e", "2026-11-30T12:10:00Z"],
    ),
  );
  expect(kinds(found)).toEqual(["day", "message", "message+", "message", "message", "day", "message"]);
});

test("the line that says new stands before the first message of others that is unread", () => {
  const messages = said(
    ["ann", "a", "2026-11-29T12:00:00Z"],
    [ME, "b", "2026-11-29T12:00:10Z"],
    ["ann", "c", "2026-11-29T12:00:20Z"],
  );
  expect(kinds(rows(messages, [], { readSeq: 1 }))).toEqual(["day", "message", "message", "new", "message"]);
  // A day that begins with it stands above it.
  expect(kinds(rows(messages.slice(1), [], { readSeq: 0, me: "nobody" })).slice(0, 3)).toEqual([
    "day",
    "new",
    "message",
  ]);
  expect(kinds(rows(messages, [], { readSeq: 3 }))).toEqual(["day", "message", "message", "message"]);
});

test("what is under way stands below, and keeps its line when it is there", () => {
  const messages = said(["ann", "a", "2026-11-29T12:00:00Z"], [ME, "b", "2026-11-29T12:00:30Z"]);
  const under = entry("c1", "b", "2026-11-29T12:00:29Z");
  const before = rows(messages.slice(0, 1), [under]);
  expect(kinds(before)).toEqual(["day", "message", "entry"]);
  const after = rows(messages, [], { echoes: new Map([["m2", "c1"]]) });
  expect(after.at(-1)?.key).toBe(before.at(-1)?.key);
});

test("an event that overtakes its ack does not show the message twice", () => {
  const messages = said(["ann", "a", "2026-11-29T12:00:00Z"], [ME, "b", "2026-11-29T12:00:30Z"]);
  expect(kinds(rows(messages, [entry("c1", "b", "2026-11-29T12:00:29Z")]))).toEqual(["day", "message", "message"]);
  // The same words once more, which wait, are another message.
  expect(kinds(rows(messages, [entry("c2", "b", "2026-11-29T12:00:40Z", "waiting")]))).toEqual([
    "day",
    "message",
    "message",
    "entry+",
  ]);
});

test("the list holds on to its end where lines come or go above, and only there", () => {
  const messages = said(
    ["ann", "a", "2026-11-29T12:00:00Z"],
    ["ann", "b", "2026-11-29T12:00:10Z"],
    ["ann", "c", "2026-11-29T12:00:20Z"],
  );
  const ends = (of: Message[]) => endsOf(rows(of));
  expect(isShift(ends(messages.slice(1)), ends(messages))).toBe(true);
  expect(isShift(ends(messages), ends(messages.slice(1)))).toBe(true);
  expect(isShift(ends(messages.slice(0, 2)), ends(messages))).toBe(false);
  expect(isShift(ends([]), ends(messages))).toBe(false);
});

test("what is in sight on arrival is drawn first: the newest, or from shortly above what is unread", () => {
  const messages = said(
    ...Array.from({ length: 30 }, (_, i) => ["ann", `${i + 1}`, "2026-11-29T12:00:00Z"] as [string, string, string]),
  );
  const first = (readSeq: number | null) => {
    const found = fromArrival(rows(messages, [], { readSeq }), 10);
    const [row] = found;
    return [row?.kind === "message" ? row.message.body : row?.kind, found.length];
  };
  expect(first(null)).toEqual(["21", 10]);
  expect(first(28)).toEqual(["22", 10]);
  // More is unread than fits: all of it can be scrolled to.
  expect(first(12)).toEqual(["10", 22]);
  expect(first(1)).toEqual(["day", 32]);
  expect(fromArrival([], 10)).toEqual([]);
});

test("others are asked about one's newest committed messages, the newest first", () => {
  const messages = said(
    [ME, "a", "2026-11-29T12:00:00Z"],
    ["ann", "b", "2026-11-29T12:00:10Z"],
    [ME, "c", "2026-11-29T12:00:20Z"],
    [ME, "d", "2026-11-29T12:00:30Z"],
  );
  const found = rows(messages.map(message => (message.body === "c" ? { ...message, deleted: true } : message)));
  expect(ownNewest(found, ME).map(({ body }) => body)).toEqual(["d", "a"]);
});

test("hits are marked by code points", () => {
  expect(
    highlighted("😀 caffè and caffè", [
      [2, 7],
      [12, 17],
    ])
      .filter(({ hit }) => hit)
      .map(({ text }) => text),
  ).toEqual(["caffè", "caffè"]);
  expect(highlighted("abc", [])).toEqual([{ text: "abc", hit: false }]);
  expect(
    highlighted("abc", [
      [0, 2],
      [1, 3],
      [9, 12],
    ])
      .map(({ text }) => text)
      .join(""),
  ).toBe("abc");
});
