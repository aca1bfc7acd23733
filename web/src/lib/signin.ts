/**
 * What this browser knows of who is signed in. No script can read the cookie that says it, and to ask the server for nobody is an error in
 * the log of both. Only one note spares the question: that it was asked, or one has signed out, and nobody has signed in since. Without any, as
 * after an older page or where storage was cleared, the server knows.
 */

const KEY = "parley.signin";
const NOBODY = "nobody";

export function noted(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    // A private window may refuse: nothing is known.
    return null;
  }
}

function note(value: string): void {
  try {
    localStorage.setItem(KEY, value);
  } catch {
    // Then the server is asked each time.
  }
}

export const isNobody = (): boolean => noted() === NOBODY;

/** Another value each time, by which other tabs see it. */
export const noteSignIn = (): void => note(String(Date.now()));

/** `before`: what was noted when the server was asked. Who has signed in since, in another tab, is somebody. */
export function noteNobody(before: string | null): void {
  if (noted() === before) note(NOBODY);
}
