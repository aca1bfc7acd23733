/** Gateways that were replaced serve another build, whose parts have other names: then the page is loaded again, and goes on where it was. */

import { t } from "./i18n.svelte.ts";
import { toasts } from "./toasts.svelte.ts";

const KEY = "parley.renewed";
/** A part that is missing for another reason is still missing after it. */
const AGAIN_MS = 60_000;

let ahead = 0;

/** Loads what nobody has asked for: that it cannot be had is no reason to load the page again. Null then. */
export async function loadAhead<Part>(load: () => Promise<Part>): Promise<Part | null> {
  ahead += 1;
  try {
    return await load();
  } catch {
    return null;
  } finally {
    ahead -= 1;
  }
}

export function renewWhenOutdated(): void {
  const missing = new WeakSet<Error>();
  addEventListener("vite:preloadError", ({ payload }) => {
    if (ahead > 0) return;
    missing.add(payload);
    void renew();
  });
  // Whoever asked for a part and has no other answer to its absence, as most clicks that open something.
  addEventListener("unhandledrejection", event => {
    if (!missing.has(event.reason)) return;
    event.preventDefault();
    toasts.show("error", t("ui.load_failed"));
  });
}

async function renew(): Promise<void> {
  try {
    if (Date.now() - Number(sessionStorage.getItem(KEY)) < AGAIN_MS) return;
    // Without a server a page that lacks a part is better than none.
    if (!(await fetch("/", { method: "HEAD", cache: "no-store" })).ok) return;
    sessionStorage.setItem(KEY, String(Date.now()));
    location.reload();
  } catch {
    // Nobody answers, or nothing can be remembered: the view says that it could not be loaded, and can be tried again.
  }
}
