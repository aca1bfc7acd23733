/** What somebody does by one click: what went wrong is said at the edge of the page. */

import { errorText } from "./i18n.svelte.ts";
import { toasts } from "./toasts.svelte.ts";

/** True if it went well. */
export async function attempt(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    toasts.show("error", errorText(error));
    return false;
  }
}
