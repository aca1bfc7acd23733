/** In which language a room is searched: that of its words, whatever language its readers have the page in. */

import { language, t } from "../../lib/i18n.svelte.ts";
import type { Language } from "../../lib/preferences.svelte.ts";

/** As the server calls them → as everybody else does. */
const TAGS = {
  arabic: "ar",
  armenian: "hy",
  basque: "eu",
  catalan: "ca",
  danish: "da",
  dutch: "nl",
  english: "en",
  estonian: "et",
  finnish: "fi",
  french: "fr",
  german: "de",
  greek: "el",
  hindi: "hi",
  hungarian: "hu",
  indonesian: "id",
  irish: "ga",
  italian: "it",
  lithuanian: "lt",
  nepali: "ne",
  norwegian: "no",
  portuguese: "pt",
  romanian: "ro",
  russian: "ru",
  serbian: "sr",
  spanish: "es",
  swedish: "sv",
  tamil: "ta",
  turkish: "tr",
  yiddish: "yi",
};

/** Sorted by what they are called in the reader's language; last, that there is none. */
export function languages(): { value: string; name: string }[] {
  const names = new Intl.DisplayNames(language(), { type: "language" });
  const found = Object.entries(TAGS).map(([value, tag]) => ({ value, name: names.of(tag) ?? value }));
  found.sort((one, other) => one.name.localeCompare(other.name, language()));
  return [...found, { value: "simple", name: t("rooms.language_none") }];
}

const OWN: Record<Language, string> = { en: "english", de: "german" };

/** What somebody most likely writes in, who reads the page in this language. */
export const ownLanguage = (): string => OWN[language()];
