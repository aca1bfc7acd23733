/** What floats above the page, and the library that places it there: a quarter of the first load, if it were part of it. */

import { Later } from "../lib/later.ts";

export const hints = new Later(() => import("./Hints.svelte"));
export const menus = new Later(() => import("./FloatingMenu.svelte"));
export const emojiPopovers = new Later(() => import("../views/timeline/EmojiPopover.svelte"));

/** So that nobody waits for it who opens one later. What cannot be had now is asked for again when it is wanted. */
export function loadFloating(): void {
  for (const part of [menus, emojiPopovers]) part.get().catch(() => undefined);
}

/** Before a button is drawn anew, with what it opens: returns what gives it the focus again, to which a closing leads back. */
export function refocusing(button: EventTarget | null): () => void {
  const parent = (button as HTMLElement | null)?.parentElement;
  const at = [...(parent?.children ?? [])].indexOf(button as HTMLElement);
  return () => (parent?.children[at] as HTMLElement | undefined)?.focus();
}
