/** The emoji of the Unicode list, kept by the browser after the first time; nothing is fetched from any other host. */

import Database from "emoji-picker-element/database.js";
import address from "emoji-picker-element-data/en/emojibase/data.json?url";

export interface Emoji {
  unicode: string;
  name: string;
  shortcodes: readonly string[];
}

let database: Database | null = null;

function open(): Database {
  database ??= new Database({ dataSource: address, locale: "en" });
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
