/** What is written and not sent, for each place: it survives the way to another room, and a reload of this tab. */

const key = (place: string): string => `parley.draft.${place}`;

export function draft(place: string): string {
  try {
    return sessionStorage.getItem(key(place)) ?? "";
  } catch {
    return "";
  }
}

export function keepDraft(place: string, text: string): void {
  try {
    if (text === "") sessionStorage.removeItem(key(place));
    else sessionStorage.setItem(key(place), text);
  } catch {
    // A browser that refuses storage: it lives as long as the field.
  }
}
