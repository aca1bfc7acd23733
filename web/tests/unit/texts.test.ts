/** All languages say the same things, and every text that is asked for exists. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import de from "../../src/i18n/de.json";
import en from "../../src/i18n/en.json";

const SOURCES = join(import.meta.dirname, "../../src");

function leaves(tree: object, prefix = ""): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(tree)) {
    if (typeof value === "string") found[prefix + name] = value;
    else Object.assign(found, leaves(value, `${prefix}${name}.`));
  }
  return found;
}

const ENGLISH = leaves(en);
const GERMAN = leaves(de);
const singular = (key: string) => key.replace(/_(zero|one|other)$/, "");

const sources = readdirSync(SOURCES, { recursive: true, encoding: "utf8" })
  .filter(name => /\.(ts|svelte)$/.test(name))
  .map(name => readFileSync(join(SOURCES, name), "utf8"));

test("the languages have the same keys", () => {
  expect(Object.keys(GERMAN)).toEqual(Object.keys(ENGLISH));
});

test("the languages fill in the same values", () => {
  const values = (text: string) => [...text.matchAll(/{{(\w+)}}/g)].map(match => match[1]).sort();
  for (const [key, text] of Object.entries(ENGLISH)) {
    // "One" may be written as a word.
    if (!key.endsWith("_one")) expect([key, values(GERMAN[key] ?? "")]).toEqual([key, values(text)]);
  }
});

test("every text that is asked for exists", () => {
  const known = new Set(Object.keys(ENGLISH).map(singular));
  const asked = sources.flatMap(source => [...source.matchAll(/\bt\(\s*"([\w.]+)"/g)].map(match => match[1] ?? ""));
  expect(asked.filter(key => !known.has(key))).toEqual([]);
  expect(asked.length).toBeGreaterThan(10);
});

test("every text is asked for", () => {
  const all = sources.join("\n");
  const begun = [...all.matchAll(/`([a-z]+(?:\.\w+)*[._])\$\{/g)].map(match => match[1] ?? "");
  const unused = [...new Set(Object.keys(ENGLISH).map(singular))].filter(
    key => !all.includes(`"${key}"`) && !begun.some(prefix => key.startsWith(prefix)),
  );
  expect(unused).toEqual([]);
});
