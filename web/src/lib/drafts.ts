/** What is written and not sent, of each person and for each place: it survives the way to another room, and a reload of this tab. */

const PREFIX = "parley.draft.";
const key = (userId: string, place: string): string => `${PREFIX}${userId}.${place}`;

export function draft(userId: string, place: string): string {
  return stored(() => sessionStorage.getItem(key(userId, place))) ?? "";
}

export function keepDraft(userId: string, place: string, text: string): void {
  stored(() => {
    if (text === "") sessionStorage.removeItem(key(userId, place));
    else sessionStorage.setItem(key(userId, place), text);
  });
}

/** Of everybody, or of everybody else. */
export function forgetDrafts(except?: string): void {
  stored(() => {
    const kept = except === undefined ? null : key(except, "");
    for (const name of Object.keys(sessionStorage))
      if (name.startsWith(PREFIX) && (kept === null || !name.startsWith(kept))) sessionStorage.removeItem(name);
  });
}

/** Where a browser refuses storage, a draft lives as long as its field. */
function stored<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
