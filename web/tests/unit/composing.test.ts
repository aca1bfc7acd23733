/** What the field for messages does by itself: emoji by name, names of files, drafts. */

import "fake-indexeddb/auto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { draft, forgetDrafts, keepDraft } from "../../src/lib/drafts.ts";
import { useLanguage } from "../../src/lib/i18n.svelte.ts";
import { Members } from "../../src/store/members.ts";
import { find } from "../../src/views/timeline/emoji.ts";
import { namesOf, textOf } from "../../src/views/timeline/filenames.ts";
import { both } from "../../tools/emoji.ts";

const LIST = createRequire(import.meta.url).resolve("emoji-picker-element-data/en/emojibase/data.json");

const first = async (query: string) => (await find(query))[0]?.unicode;

beforeEach(() => sessionStorage.clear());
afterEach(() => useLanguage("en"));

test("an emoji is found by what it is called before those of which the word is only said", async () => {
  vi.stubGlobal("fetch", async () => new Response(readFileSync(LIST), { headers: { ETag: '"1"' } }));
  expect(await first("rocket")).toBe("🚀");
  expect(await first("heart")).toBe("❤️");
  expect(await first("pizza")).toBe("🍕");
  // A name begins with it; a word of it does.
  expect(await first("thumbs")).toBe("👍️");
  expect(await first("heart_ey")).toBe("😍");
  expect(await first("Smiling face with heart-eyes")).toBe("😍");
  const hearts = (await find("heart")).map(({ name }) => name);
  expect(hearts.indexOf("smiling face with hearts")).toBeLessThan(hearts.indexOf("winking face"));
  expect(hearts).toContain("winking face");
});

test("in German it is called so and found so, and by the English words as before; nothing else is loaded for it", async () => {
  const asked: unknown[] = [];
  vi.stubGlobal("fetch", async (address: unknown) => {
    asked.push(address);
    return new Response(both("de"), { headers: { ETag: '"1"' } });
  });
  await useLanguage("de");
  expect((await find("rakete"))[0]).toMatchObject({ unicode: "🚀", name: "Rakete" });
  expect(await first("Freudentr")).toBe("😂");
  expect(await first("rocket")).toBe("🚀");
  expect(await first("heart_ey")).toBe("😍");
  expect(await first("smile")).toBe("😄");
  expect(asked).toEqual(["/emoji-de.json"]);
});

test("a text that only says how files are called is told from one that somebody wrote", () => {
  const names = ["image.png", "a b.JPEG"];
  expect(namesOf(textOf(names), "plain", 2)).toEqual(names);
  expect(namesOf("image.png", "plain", 0)).toBeNull();
  expect(namesOf("image.png", "markdown", 1)).toBeNull();
  expect(namesOf("image.png", "plain", 2)).toBeNull();
  expect(namesOf("Look at this", "plain", 1)).toBeNull();
  expect(namesOf(null, "plain", 1)).toBeNull();
});

test("a draft is of one person, and goes when he does", () => {
  keepDraft("ann", "kitchen", "Mine");
  keepDraft("ben", "kitchen", "His");
  expect(draft("ann", "kitchen")).toBe("Mine");
  forgetDrafts("ben");
  expect(draft("ann", "kitchen")).toBe("");
  expect(draft("ben", "kitchen")).toBe("His");
  keepDraft("ben", "kitchen", "");
  expect(sessionStorage).toHaveLength(0);
  keepDraft("ben", "kitchen", "Again");
  forgetDrafts();
  expect(sessionStorage).toHaveLength(0);
});

test("that one is muted is known from an event, a refusal or the list of members, the last one counts", async () => {
  const until = "2026-12-01T10:00:00Z";
  const item = { user_id: "ann", role: "member" as const, from_seq: 1, joined_at: "", muted_until: until };
  const members = new Members("kitchen", { rooms: { members: async () => ({ items: [item], next: null }) } });
  const updated = { kind: "member.updated" as const, at: "", actor_id: null, user_id: "ann", role: "member" as const };
  expect(members.mutedUntil("ann")).toBeNull();
  members.apply(5, { ...updated, muted_until: until });
  expect(members.mutedUntil("ann")).toBe(until);
  members.apply(6, { ...updated, muted_until: null });
  expect(members.mutedUntil("ann")).toBeNull();
  members.muted("ann", "9999-12-31T23:59:59Z");
  expect(members.mutedUntil("ann")).toContain("9999");
  await members.load();
  expect(members.mutedUntil("ann")).toBe(until);
  expect(members.mutedUntil("ben")).toBeNull();
});
