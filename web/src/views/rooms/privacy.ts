/** Who can read what in a room, in the reader's language: by the server's sentences, whose list the catalogue of a language has. */

import type { RoomPrivacy } from "@parley/client";
import type { Language } from "../../lib/preferences.svelte.ts";

type Sentences = Partial<Record<string, string>>;

const LOADERS: Record<Exclude<Language, "en">, () => Promise<{ default: Sentences }>> = {
  de: () => import("../../i18n/server.de.json"),
};

/** What no catalogue knows stays as the server says it: that is true in any case. */
export async function inWordsOf(language: Language, privacy: RoomPrivacy): Promise<RoomPrivacy> {
  if (language === "en") return privacy;
  const { default: known } = await LOADERS[language]();
  const say = (sentence: string): string => known[sentence] ?? sentence;
  const { summary, can_read, cannot_read, not_protected } = privacy;
  return {
    ...privacy,
    summary: say(summary),
    can_read: can_read.map(say),
    cannot_read: cannot_read.map(say),
    not_protected: not_protected.map(say),
  };
}
