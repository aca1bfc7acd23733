/** What floats above the page, and the library that places it there: a quarter of the first load, if it were part of it. */

import { Later } from "../lib/later.ts";

export const hints = new Later(() => import("./Hints.svelte"));
export const menus = new Later(() => import("./FloatingMenu.svelte"));
export const emojiPopovers = new Later(() => import("../views/timeline/EmojiPopover.svelte"));

/** Before a button is drawn anew, with what it opens: returns what gives it the focus again, to which a closing leads back. */
export function refocusing(button: EventTarget | null): () => void {
  const parent = (button as HTMLElement | null)?.parentElement;
  const at = [...(parent?.children ?? [])].indexOf(button as HTMLElement);
  return () => (parent?.children[at] as HTMLElement | undefined)?.focus();
}
