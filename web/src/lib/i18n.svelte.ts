/** Texts in the language of the reader: one tree of keys for all languages, typed by the English one. */

import { ParleyError } from "@parley/client";
import i18next from "i18next";
import en from "../i18n/en.json";
import { type Language, preferences } from "./preferences.svelte.ts";

type Leaves<Tree, Prefix extends string = ""> = {
  [Key in keyof Tree & string]: Tree[Key] extends string
    ? `${Prefix}${Singular<Key>}`
    : Leaves<Tree[Key], `${Prefix}${Key}.`>;
}[keyof Tree & string];
type Singular<Key extends string> = Key extends `${infer Base}_${"zero" | "one" | "other"}` ? Base : Key;

/** `area.name`; plurals (`name_one`, `name_other`) go by `name` and a `count`. */
export type TextKey = Leaves<typeof en>;
export type TextValues = Record<string, string | number>;

const LOADERS: Record<Exclude<Language, "en">, () => Promise<{ default: object }>> = {
  de: () => import("../i18n/de.json"),
};

let shown = $state<Language>("en");
/** Texts without values, once they were looked up: a list asks for the same ones at each of its lines. */
const plain = new Map<TextKey, string>();

void i18next.init({
  lng: "en",
  fallbackLng: "en",
  resources: { en: { translation: en } },
  // Svelte escapes what it writes.
  interpolation: { escapeValue: false },
  showSupportNotice: false,
} as Parameters<typeof i18next.init>[0]);

/** Loads the language that is preferred; what is shown changes when it is there. */
export async function useLanguage(language: Language): Promise<void> {
  if (language !== "en" && !i18next.hasResourceBundle(language, "translation")) {
    i18next.addResourceBundle(language, "translation", (await LOADERS[language]()).default);
  }
  await i18next.changeLanguage(language);
  plain.clear();
  shown = language;
}

export function t(key: TextKey, values?: TextValues): string {
  // Read, so that whoever shows the text shows it anew in another language.
  void shown;
  if (values !== undefined) return i18next.t(key, values);
  let text = plain.get(key);
  if (text === undefined) {
    text = i18next.t(key);
    plain.set(key, text);
  }
  return text;
}

export const language = (): Language => shown;

/** What went wrong, in the reader's language where the code is known, otherwise in the server's words. */
export function errorText(error: unknown): string {
  if (!(error instanceof ParleyError)) return t("errors.unknown");
  const key = `errors.${error.code}`;
  const values: TextValues = { detail: error.detail };
  if (error.retryAfterMs !== undefined) values["count"] = Math.ceil(error.retryAfterMs / 1000);
  return i18next.exists(key, values) ? t(key as TextKey, values) : error.detail;
}

// -- dates and numbers, by Intl alone

const formats = new Map<string, unknown>();

/** Made once for each language: that takes far longer than to use one. */
function kept<Format>(name: string, make: (language: Language) => Format): Format {
  const key = `${shown} ${name}`;
  const format = (formats.get(key) as Format | undefined) ?? make(shown);
  formats.set(key, format);
  return format;
}

const format = (name: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat =>
  kept(name, language => new Intl.DateTimeFormat(language === "en" ? navigatorEnglish() : language, options));

/** British and American readers write dates differently, and both read English. */
function navigatorEnglish(): string {
  return navigator.languages.find(tag => tag.toLowerCase().startsWith("en")) ?? "en-GB";
}

export const clock = (at: Date): string => format("clock", { hour: "2-digit", minute: "2-digit" }).format(at);
export const fullTime = (at: Date): string => format("full", { dateStyle: "full", timeStyle: "medium" }).format(at);
export const dateTime = (at: Date): string =>
  format("datetime", { dateStyle: "medium", timeStyle: "short" }).format(at);

/** Today, Yesterday, or the date. */
export function day(at: Date, now = new Date()): string {
  const days = Math.round((midnight(now) - midnight(at)) / 86_400_000);
  if (days === 0 || days === 1) {
    const text = kept("relative", of => new Intl.RelativeTimeFormat(of, { numeric: "auto" })).format(-days, "day");
    return text.charAt(0).toLocaleUpperCase(shown) + text.slice(1);
  }
  const sameYear = at.getFullYear() === now.getFullYear();
  return format(sameYear ? "day" : "dayyear", {
    weekday: "long",
    day: "numeric",
    month: "long",
    ...(sameYear ? {} : { year: "numeric" }),
  }).format(at);
}

/** The time of today, else the date: for lists. */
export function shortTime(at: Date, now = new Date()): string {
  if (midnight(at) === midnight(now)) return clock(at);
  return format("short", { day: "numeric", month: "short" }).format(at);
}

const midnight = (at: Date): number => new Date(at.getFullYear(), at.getMonth(), at.getDate()).getTime();

export const numberText = (value: number): string => kept("number", of => new Intl.NumberFormat(of)).format(value);

/** Names in a row: "Ann, Ben and Cleo". */
export const listText = (names: readonly string[]): string => kept("list", of => new Intl.ListFormat(of)).format(names);

// One place that follows the preference.
$effect.root(() => {
  $effect(() => {
    void useLanguage(preferences.language);
  });
});
