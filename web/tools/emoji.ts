/**
 * The list of emoji in another language than English, with the English words as well: many know them by these, and `:smile:` is how
 * they are written everywhere. Put together here it is one file, a quarter smaller than two.
 */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Plugin } from "vite";

interface Listed {
  emoji: string;
  annotation: string;
  tags: string[];
  shortcodes?: string[];
}

const LIST = /emoji-picker-element-data[\\/](\w+)[\\/]cldr[\\/]data\.json\?url$/;
const DATA = createRequire(import.meta.url);

export function emoji(): Plugin {
  let served = false;
  return {
    name: "parley-emoji",
    // Before Vite takes the file as it is.
    enforce: "pre",
    configResolved({ command }) {
      served = command === "serve";
    },
    load(id) {
      const language = LIST.exec(id)?.[1];
      if (language === undefined) return null;
      if (served) return `export default ${JSON.stringify(address(language))}`;
      const file = this.emitFile({ type: "asset", name: `emoji-${language}.json`, source: both(language) });
      return `export default import.meta.ROLLUP_FILE_URL_${file}`;
    },
    configureServer({ middlewares }) {
      middlewares.use((request, response, next) => {
        const language = /^\/emoji-(\w+)\.json$/.exec(request.url ?? "")?.[1];
        if (language === undefined) return next();
        response.setHeader("Content-Type", "application/json").end(both(language));
      });
    },
  };
}

/** While one works on the page. */
const address = (language: string): string => `/emoji-${language}.json`;

/** Names in that language, words and short names in both. */
export function both(language: string): string {
  const english = new Map(read("en/emojibase").map(listed => [listed.emoji, listed]));
  const found = read(`${language}/cldr`).map(listed => {
    const also = english.get(listed.emoji);
    if (also === undefined) return listed;
    return {
      ...listed,
      tags: union(listed.tags, also.tags, also.annotation.toLowerCase().split(" ")),
      shortcodes: union(listed.shortcodes ?? [], also.shortcodes ?? []),
    };
  });
  return JSON.stringify(found);
}

const read = (list: string): Listed[] =>
  JSON.parse(readFileSync(DATA.resolve(`emoji-picker-element-data/${list}/data.json`), "utf8"));
const union = (...lists: string[][]): string[] => [...new Set(lists.flat())];
