/** What floats above the page, and the library that places it there: a quarter of the first load, if it were part of it. */

import { Later } from "../lib/later.ts";

export const hints = new Later(() => import("./Hints.svelte"));
export const menus = new Later(() => import("./FloatingMenu.svelte"));
export const emojiPopovers = new Later(() => import("../views/timeline/EmojiPopover.svelte"));
