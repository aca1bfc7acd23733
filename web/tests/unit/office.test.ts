/** Lists of the office: links of the audit trail, pages of a list, filters, and what programs call themselves. */

import { type Client, ParleyError } from "@parley/client";
import { expect, test } from "vitest";
import { Form } from "../../src/lib/form.svelte.ts";
import { Pages } from "../../src/lib/pages.svelte.ts";
import { takeFragment } from "../../src/views/account/fragment.ts";
import { brokenLinks, countLinks } from "../../src/views/admin/chain.ts";
import { Filters } from "../../src/views/admin/filters.ts";
import { programOf } from "../../src/views/settings/program.ts";

const chain = (room_id: string | null, hashes: string[]) =>
  hashes.map((hash, at) => ({ n: at + 1, room_id, hash, prev_hash: hashes[at - 1] ?? "" }));

test("entries are compared with the one before them, each chain by itself", () => {
  const entries = [...chain("a", ["1", "2", "3"]), ...chain("b", ["x", "y"])];
  expect([countLinks(entries), brokenLinks(entries)]).toEqual([3, []]);
  // In whichever order they came.
  expect(countLinks(entries.toReversed())).toBe(3);
});

test("a changed hash breaks the link to it, and a missing entry none", () => {
  const entries = chain(null, ["1", "2", "3", "4"]);
  const changed = entries.map(entry => (entry.n === 2 ? { ...entry, hash: "!" } : entry));
  expect(brokenLinks(changed)).toEqual([3]);
  const missing = entries.filter(entry => entry.n !== 2);
  expect([countLinks(missing), brokenLinks(missing)]).toEqual([1, []]);
});

test("a list grows page by page and begins again when it is asked for anew", async () => {
  const asked: (string | undefined)[] = [];
  const pages = new Pages<number>(async ({ cursor }) => {
    asked.push(cursor);
    return cursor === undefined ? { items: [1, 2], next: "more" } : { items: [3], next: null };
  });
  expect(pages.next).toBeUndefined();
  await pages.read();
  await pages.more();
  expect([pages.items, pages.next]).toEqual([[1, 2, 3], null]);
  await pages.more();
  await pages.read();
  expect(pages.items).toEqual([1, 2]);
  expect(asked).toEqual([undefined, "more", undefined]);
});

test("an answer that comes too late for its question is dropped", async () => {
  const answers: ((items: number[]) => void)[] = [];
  const pages = new Pages<number>(() => new Promise(resolve => answers.push(items => resolve({ items, next: null }))));
  const [first, second] = [pages.read(), pages.read()];
  answers[1]?.([2]);
  answers[0]?.([1]);
  await Promise.all([first, second]);
  expect(pages.items).toEqual([2]);
});

test("a refused form says why, by field, and can be sent again", async () => {
  const form = new Form();
  const refused = new ParleyError("invalid", "No.", { status: 422, errors: { name: "too long" } });
  expect(await form.send(() => Promise.reject(refused))).toBe(false);
  expect([form.failure, form.errors, form.code, form.busy]).toEqual(["No.", { name: "too long" }, "invalid", false]);
  expect(await form.send(async () => undefined)).toBe(true);
  expect([form.failure, form.errors]).toEqual(["", {}]);
});

test("a form is sent once at a time", async () => {
  const form = new Form();
  let done: (() => void) | undefined;
  const first = form.send(() => new Promise<void>(resolve => (done = resolve)));
  expect(await form.send(async () => expect.fail("sent twice"))).toBe(false);
  done?.();
  expect(await first).toBe(true);
});

const client = (names: string[]) =>
  ({
    api: { admin: { users: async () => ({ items: names.map(username => ({ username, id: `id of ${username}` })) }) } },
  }) as unknown as Client;

test("people are named as they are called, or by id", async () => {
  const filters = new Filters();
  await filters.person(client(["anna-maria", "Anna"]), "user_id", " @anna ");
  expect(filters.query).toEqual({ user_id: "id of Anna" });
  const id = "01a20e77-6b04-72c4-94ef-9ccf902f38e3";
  await filters.person(client([]), "user_id", id.toUpperCase());
  expect(filters.query).toEqual({ user_id: id });
  await expect(filters.person(client(["anna-maria"]), "user_id", "anna")).rejects.toThrow(ParleyError);
});

test("what is not filled in is left out, and what cannot be an id is said to be none", () => {
  const filters = new Filters();
  filters.text("action", "  ");
  filters.id("room_id", "");
  filters.moment("since", "");
  filters.moment("until", "not a moment");
  expect(filters.query).toEqual({});
  expect(() => filters.id("room_id", "kitchen")).toThrow(ParleyError);
  filters.moment("since", "2026-11-24T10:00");
  expect(filters.query["since"]).toBe(new Date(2026, 10, 24, 10).toISOString());
});

test.each([
  [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36 Edg/156.0.0.0",
    "Edge, Windows",
  ],
  ["Mozilla/5.0 (X11; Linux x86_64; rv:148.0) Gecko/20100101 Firefox/148.0", "Firefox, Linux"],
  [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1",
    "Safari, iPhone",
  ],
  [
    "Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36",
    "Chrome, Android",
  ],
  ["curl/8.9.1", "curl"],
  ["<script>alert(1)</script>", "<script>alert(1)</script>"],
  ["", "?"],
])("a program is called by its name: %s", (agent, name) => {
  expect(programOf(agent)).toBe(name);
});

test.each([
  ["#op1.abc.5.d-_f", "op1.abc.5.d-_f"],
  ["#%C3%A4", "ä"],
  ["#%zz", "%zz"],
  ["", ""],
])("what stands behind the # is taken out of the address: %s", (hash, code) => {
  history.replaceState(null, "", `/register?x=1${hash}`);
  expect(takeFragment()).toBe(code);
  expect(location.pathname + location.search + location.hash).toBe("/register?x=1");
});
