/** The law of law.test.ts, for people: who is in a room, who they are, who is there, how far they have read, and what one is told of. */

import type { AnyEvent, ListedNotification, Member, Notification, Presence, User } from "@parley/client";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Presences, Receipts } from "../../src/store/facts.ts";
import { Members } from "../../src/store/members.ts";
import { Notifications } from "../../src/store/notifications.ts";
import { People } from "../../src/store/people.ts";
import { ME, ROOM } from "./model.ts";
import { Slow } from "./slow.ts";

const AT = "2026-11-30T10:00:00Z";
const PEOPLE = ["ann", "ben", "cleo", "dora", "eve"];
const ROLES = ["member", "moderator", "owner"] as const;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A page of what is there at that moment, by id, as the server pages. */
function pageOf<T>(all: readonly (readonly [string, T])[], cursor: string | undefined, limit: number) {
  const rest = all
    .filter(([id]) => cursor === undefined || id > cursor)
    .sort(([one], [other]) => (one < other ? -1 : 1));
  const items = rest.slice(0, limit);
  return { items: items.map(([, item]) => item), next: rest.length > limit ? (items.at(-1)?.[0] ?? null) : null };
}

const change = fc.record({
  step: fc.constant("change" as const),
  what: fc.nat(3),
  who: fc.nat(PEOPLE.length - 1),
  which: fc.nat(2),
});
type Change = typeof change extends fc.Arbitrary<infer Found> ? Found : never;

const steps = <Name extends string>(...others: Name[]) =>
  fc.array(
    fc.oneof(
      { weight: 6, arbitrary: change },
      { weight: 4, arbitrary: fc.record({ step: fc.constant("deliver" as const) }) },
      { weight: 4, arbitrary: fc.record({ step: fc.constant("answer" as const) }) },
      { weight: 2, arbitrary: fc.record({ step: fc.constantFrom(...others) }) },
    ),
    { maxLength: 60 },
  );

test("who is in a room, read while people come, go and change, is in the end who a fresh read says", async () => {
  await fc.assert(
    fc.asyncProperty(steps("load"), async all => {
      const slow = new Slow();
      const server = new Map<string, Member>();
      const muted = new Set<string>();
      const events: AnyEvent[] = [];
      const tell = (event: object) => events.push({ at: AT, actor_id: null, ...event } as AnyEvent);
      const perform = ({ what, who, which }: Change) => {
        const user_id = PEOPLE[who] ?? "";
        const role = ROLES[which] ?? "member";
        const known = server.get(user_id);
        const muted_until = () => (muted.has(user_id) ? "9999-12-31T00:00:00Z" : null);
        if (known === undefined) {
          if (what === 3) return;
          tell({ kind: "member.joined", user_id, role });
          server.set(user_id, { user_id, role, from_seq: events.length, joined_at: AT, muted_until: muted_until() });
          // A mute goes on for who comes back.
          if (muted.has(user_id)) tell({ kind: "member.updated", user_id, role, muted_until: muted_until() });
        } else if (what === 0) {
          server.delete(user_id);
          tell({ kind: which === 0 ? "member.left" : "member.removed", user_id });
        } else {
          if (what === 1 && !muted.delete(user_id)) muted.add(user_id);
          const now = { ...known, role: what === 1 ? known.role : role, muted_until: muted_until() };
          server.set(user_id, now);
          tell({ kind: "member.updated", user_id, role: now.role, muted_until: now.muted_until });
        }
      };
      const api = {
        rooms: {
          members: (_: string, { cursor }: { cursor?: string }) => slow.later(() => pageOf([...server], cursor, 2)),
        },
      };
      const members = new Members(ROOM, api as never);
      let heard = 0;
      const deliver = () => {
        const event = events[heard];
        if (event !== undefined) members.apply(++heard, event);
      };
      for (const one of all) {
        if (one.step === "change") perform(one);
        else if (one.step === "deliver") deliver();
        else if (one.step === "answer") await slow.answer();
        else void members.load(true);
      }
      void members.load();
      await slow.answerAll();
      while (heard < events.length) deliver();
      const byId = (found: readonly Member[]) => Object.fromEntries(found.map(member => [member.user_id, member]));
      expect(byId(members.all ?? [])).toEqual(byId([...server.values()]));
    }),
    { numRuns: 300 },
  );
});

test("everybody who is looked at is known in the end, asked for once, and again where the answer failed", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(fc.record({ look: fc.nat(120) }), fc.record({ fails: fc.boolean() })), { maxLength: 60 }),
      async all => {
        const slow = new Slow();
        const asked: string[] = [];
        let failing = false;
        const user = (id: string): User => ({ id, username: id, display_name: id });
        const byIds = async (ids: readonly string[]) => {
          expect(ids.length).toBeLessThanOrEqual(50);
          const fails = failing;
          const items = await slow.later(() => ids.map(user));
          if (fails) throw new Error("lost");
          asked.push(...ids);
          return { items };
        };
        const people = new People({ users: { byIds } } as never);
        const looked = new Set<string>();
        for (const one of all) {
          if ("look" in one) {
            looked.add(`u${one.look}`);
            if (one.look % 5 === 0) people.expect([`u${one.look}`, `u${one.look}`]);
            else people.get(`u${one.look}`);
            await vi.advanceTimersByTimeAsync(one.look % 3 === 0 ? 30 : 0);
          } else {
            failing = one.fails;
            await slow.answer();
          }
        }
        failing = false;
        for (let turn = 0; turn < 4; turn += 1) {
          for (const id of looked) people.get(id);
          await vi.advanceTimersByTimeAsync(100);
          await slow.answerAll();
        }
        expect([...looked].filter(id => people.get(id)?.username !== id)).toEqual([]);
        expect(asked.length).toBe(new Set(asked).size);
        people.close();
      },
    ),
    { numRuns: 100 },
  );
});

test("who is there is what was told last, also when an answer is older than that", async () => {
  const statuses = ["online", "away", "busy"] as const;
  await fc.assert(
    fc.asyncProperty(steps("refresh", "lost"), async all => {
      const slow = new Slow();
      const server = new Map<string, Presence>();
      const state = (user_id: string): Presence =>
        server.get(user_id) ?? { user_id, status: "offline", last_seen: null, text: null };
      let frames: Presence[] = [];
      const api = { get: (ids: readonly string[]) => slow.later(() => ({ items: ids.map(state) })) };
      const presences = new Presences(ME, { watchPresence: async () => undefined }, api as never);
      const look = () => {
        for (const id of PEOPLE) presences.get(id);
      };
      const deliver = () => {
        const frame = frames.shift();
        if (frame !== undefined) presences.take(frame);
      };
      look();
      await vi.advanceTimersByTimeAsync(300);
      for (const one of all) {
        if (one.step === "change") {
          const user_id = PEOPLE[one.who] ?? "";
          const now = { user_id, status: statuses[one.which] ?? "online", last_seen: null, text: String(one.what) };
          server.set(user_id, now);
          frames.push(now);
        } else if (one.step === "deliver") deliver();
        else if (one.step === "answer") await slow.answer();
        else {
          if (one.step === "lost") {
            // What was on its way goes with the connection, and nobody is known to be there.
            frames = [];
            presences.clear();
            expect(PEOPLE.map(id => presences.get(id))).toEqual(PEOPLE.map(() => undefined));
          }
          presences.refresh();
          await vi.advanceTimersByTimeAsync(300);
        }
      }
      await slow.answerAll();
      while (frames.length > 0) deliver();
      expect(PEOPLE.map(id => presences.get(id))).toEqual(PEOPLE.map(state));
      presences.close();
    }),
    { numRuns: 300 },
  );
});

test("what one is told of, and what of it is read, is in the end what a fresh read says", async () => {
  await fc.assert(
    fc.asyncProperty(steps("load", "more", "readAll"), async all => {
      const slow = new Slow();
      const ROOMS = ["a", "b", "c"];
      let server: ListedNotification[] = [];
      const told: (() => void)[] = [];
      const readUpTo = (up_to: string) => {
        server = server.map(found => (found.id <= up_to ? { ...found, read: true } : found));
        told.push(() => notifications.readUpTo(up_to));
      };
      const api = {
        notifications: {
          list: ({ cursor }: { cursor?: string }) =>
            slow.later(() => {
              const rest = server.filter(({ id }) => cursor === undefined || id < cursor);
              const items = rest.slice(0, 3);
              return { items, unread: 0, next: rest.length > 3 ? (items.at(-1)?.id ?? null) : null };
            }),
          readUpTo: (id: string) => slow.later(() => readUpTo(id)),
        },
      };
      const notifications = new Notifications(api as never);
      const perform = ({ what, who, which }: Change) => {
        const room_id = ROOMS[which] ?? "a";
        if (what < 2) {
          const id = `n${String(server.length + 1).padStart(4, "0")}`;
          const invitation = what === 1 && who === 0;
          const made = {
            id,
            kind: invitation ? "invitation" : "mention",
            room_id,
            message_id: invitation ? null : `m${id}`,
            thread_root_id: null,
            actor_id: PEOPLE[who] ?? null,
            created_at: AT,
            read: false,
          } as Notification;
          const message = invitation ? null : ({ seq: server.length + 1 } as ListedNotification["message"]);
          server = [{ ...made, message }, ...server];
          told.push(() => notifications.add(made));
        } else if (what === 2) {
          const found = server[who];
          if (found !== undefined) readUpTo(found.id);
        } else {
          // What is said in a room is read with it; the position is told as an event is.
          const seq = server.length;
          server = server.map(found =>
            found.room_id === room_id && found.message_id !== null ? { ...found, read: true } : found,
          );
          told.push(() => notifications.roomRead(room_id, seq));
        }
      };
      void notifications.load();
      for (const one of all) {
        if (one.step === "change") perform(one);
        else if (one.step === "deliver") told.shift()?.();
        else if (one.step === "answer") await slow.answer();
        else void notifications[one.step]();
      }
      await slow.answerAll();
      while (told.length > 0) told.shift()?.();
      const plain = (found: readonly ListedNotification[]) =>
        found.map(({ id, read }) => `${id} ${read ? "read" : "unread"}`);
      const shown = notifications.all ?? [];
      expect(plain(shown)).toEqual(plain(server.slice(0, shown.length)));
      expect(notifications.hasMore).toBe(shown.length < server.length);
    }),
    { numRuns: 500 },
  );
});

test("how far others are with a message is what a fresh read says, whoever came or went since", async () => {
  await fc.assert(
    fc.property(steps("ask", "reload"), fc.array(fc.nat(PEOPLE.length - 1), { maxLength: 3 }), (all, firstly) => {
      // The sender is in none of it. Everybody's interval, and position.
      let seq = 10;
      const from = new Map<string, number>();
      const at = new Map<string, { delivered: number; read: number }>();
      const open = (id: string) => {
        from.set(id, seq);
        at.set(id, {
          delivered: Math.max(seq, at.get(id)?.delivered ?? 0),
          read: Math.max(seq, at.get(id)?.read ?? 0),
        });
      };
      for (const number of firstly) open(PEOPLE[number] ?? "");
      let receipts = new Receipts();
      const sent: { id: string; seq: number }[] = [];
      const say = () => {
        seq += 1;
        sent.push({ id: `m${seq}`, seq });
      };
      say();
      const recipients = (of: number) => [...from].filter(([, start]) => start <= of).map(([id]) => id);
      const status = (of: number) => {
        const found = recipients(of).map(user_id => {
          const { delivered = 0, read = 0 } = at.get(user_id) ?? {};
          return {
            user_id,
            state: read >= of ? ("read" as const) : delivered >= of ? ("delivered" as const) : ("sent" as const),
          };
        });
        const count = (...states: string[]) => found.filter(({ state }) => states.includes(state)).length;
        return { members: found.length, delivered: count("delivered", "read"), read: count("read"), recipients: found };
      };
      // Frames may come late, and out of their order with what is asked; events come in theirs.
      const frames: (() => void)[] = [];
      // The answer, too, may be overtaken.
      const ask = () => {
        for (const message of sent) {
          const answer = status(message.seq);
          frames.push(() => receipts.status(ROOM, message.id, message.seq, answer));
        }
      };
      for (const one of all) {
        if (one.step === "deliver") frames.shift()?.();
        else if (one.step === "answer") say();
        else if (one.step !== "change") {
          if (one.step === "reload") {
            // What was on its way is lost with the page. What it showed is shown still, and is true.
            frames.length = 0;
            const shown = () => sent.map(message => receipts.of(ROOM, message.seq, ME, from.size));
            const before = shown();
            const known = structuredClone(receipts.known(ROOM, 0));
            receipts = new Receipts();
            if (known !== undefined) receipts.recall(ROOM, known);
            expect(shown()).toEqual(before);
            for (const [number, { seq: of }] of sent.entries()) {
              expect(before[number]?.delivered).toBeLessThanOrEqual(status(of).delivered);
              expect(before[number]?.read).toBeLessThanOrEqual(status(of).read);
            }
          }
          ask();
        } else {
          const user_id = PEOPLE[one.who] ?? "";
          const known = at.get(user_id);
          if (!from.has(user_id)) {
            seq += 1;
            open(user_id);
            receipts.joined(ROOM, user_id, seq);
          } else if (one.what === 0) {
            from.delete(user_id);
            receipts.left(ROOM, user_id);
          } else if (known !== undefined) {
            const delivered = Math.max(known.delivered, seq - one.which);
            const read = one.what === 1 ? known.read : Math.max(known.read, seq - one.which);
            at.set(user_id, { delivered: Math.max(delivered, read), read });
            const frame = { room_id: ROOM, user_id, delivered_seq: delivered, read_seq: read };
            frames.push(() => receipts.take(frame));
          }
        }
      }
      for (const frame of frames) frame();
      for (const message of sent) {
        const { members, delivered, read } = status(message.seq);
        expect({ ...message, ...receipts.of(ROOM, message.seq, ME, from.size) }).toEqual({
          ...message,
          all: members,
          delivered,
          read,
        });
      }
    }),
    { numRuns: 500 },
  );
});
