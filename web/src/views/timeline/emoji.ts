/** The emoji of the Unicode list, kept by the browser after the first time; nothing is fetched from any other host. */

import Database from "emoji-picker-element/database.js";
import german from "emoji-picker-element-data/de/cldr/data.json?url";
import english from "emoji-picker-element-data/en/emojibase/data.json?url";
import { language } from "../../lib/i18n.svelte.ts";
import type { Language } from "../../lib/preferences.svelte.ts";

export interface Emoji {
  unicode: string;
  name: string;
  shortcodes: readonly string[];
}

/** Where the list is in each language; all but the English one have the English words too (tools/emoji.ts). */
const LISTS: Record<Language, string> = { de: german, en: english };
const opened = new Map<Language, Database>();

/** The list of the reader's language, loaded when it is first asked for. */
function open(): Database {
  const locale = language();
  const database = opened.get(locale) ?? new Database({ dataSource: LISTS[locale], locale });
  opened.set(locale, database);
  return database;
}

interface Native {
  unicode: string;
  annotation: string;
  shortcodes?: string[];
}

const plain = (found: readonly unknown[]): Emoji[] =>
  (found as Native[])
    .filter(emoji => emoji?.unicode !== undefined)
    .map(({ unicode, annotation, shortcodes }) => ({ unicode, name: annotation, shortcodes: shortcodes ?? [] }));

/** What one takes most; then smileys, people, animals, …: as the Unicode list groups them. */
export const GROUPS = ["recent", 0, 1, 3, 4, 5, 6, 7, 8, 9] as const;
export type Group = (typeof GROUPS)[number];

export const ofGroup = async (group: number): Promise<Emoji[]> => plain(await open().getEmojiByGroup(group));

/** By words of names; two letters at least. */
export const find = async (query: string): Promise<Emoji[]> =>
  ranked(query, plain(await open().getEmojiBySearchQuery(query)));

/** Those whose name it is, whose name begins with it, where a word of the name does; then those that it is only said of. */
function ranked(query: string, found: readonly Emoji[]): Emoji[] {
  const wanted = words(query);
  const rank = ({ name, shortcodes }: Emoji): number => {
    const names = [name, ...shortcodes].map(words);
    if (names.includes(wanted)) return 0;
    if (names.some(name => name.startsWith(wanted))) return 1;
    return names.some(name => name.includes(` ${wanted}`)) ? 2 : 3;
  };
  return found
    .map(emoji => ({ emoji, rank: rank(emoji) }))
    .sort((one, other) => one.rank - other.rank)
    .map(({ emoji }) => emoji);
}

const words = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[\s_-]+/g, " ")
    .trim();

export const favourites = async (): Promise<Emoji[]> => plain(await open().getTopFavoriteEmoji(16));

export const note = async (emoji: string): Promise<void> => open().incrementFavoriteEmojiCount(emoji);
