/** What the server says of who can read a room is said in the reader's language, in every case that there is. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { RoomPrivacy } from "@parley/client";
import { expect, test } from "vitest";
import de from "../../src/i18n/server.de.json";
import { inWordsOf } from "../../src/views/rooms/privacy.ts";

const SOURCE = join(import.meta.dirname, "../../../services/messages/src/parley_messages/domain/privacy.py");
const ANYBODY = ", and anybody may become one";

/** All sentences of that file: its literals, put together where they are broken into lines, docstrings not among them. */
const said = [
  ...readFileSync(SOURCE, "utf8")
    .replace(/"""[\s\S]*?"""/g, "")
    .replace(/"\s*\n\s*"/g, "")
    .matchAll(/"([^"\n]*)"/g),
]
  .map(([, literal]) => String(literal))
  .filter(literal => literal.includes(" "));

test("the catalogue has every sentence that the server can say, and no other", () => {
  expect(said).toContain(ANYBODY);
  const members = said.filter(sentence => sentence.startsWith("its members"));
  const all = [...said.filter(sentence => sentence !== ANYBODY), ...members.map(sentence => sentence + ANYBODY)];
  expect(members).toHaveLength(2);
  expect(Object.keys(de).sort()).toEqual([...new Set(all)].sort());
  for (const [english, german] of Object.entries(de)) expect(german).not.toBe(english);
});

test("what is not in it stays as the server says it", async () => {
  const privacy: RoomPrivacy = {
    encryption: "sealed",
    summary: "Something that was thought of later.",
    searchable: false,
    can_read: ["its members, from the first message on", "the cat"],
    cannot_read: ["admins and moderators by their office alone"],
    not_protected: ["members can copy what they see"],
    key_version: 1,
    key_since: null,
    unreadable_before: null,
  };
  expect(await inWordsOf("en", privacy)).toEqual(privacy);
  expect(await inWordsOf("de", privacy)).toEqual({
    ...privacy,
    can_read: ["seine Mitglieder, von der ersten Nachricht an", "the cat"],
    cannot_read: ["Admins und Moderatoren allein durch ihr Amt"],
    not_protected: ["Mitglieder können kopieren, was sie sehen"],
  });
});
