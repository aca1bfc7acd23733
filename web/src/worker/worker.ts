/**
 * Opens the page when there is no network: it keeps the files of one build in this browser, and nothing else. What the page
 * then shows comes from IndexedDB.
 *
 * A page is asked for at the gateway first, whatever is kept, so that a new release is there at the next load. What is below
 * /assets/ changes its name with its content and may come from here. All other addresses, /api before all, are never touched.
 */

import { type Build, Keeper } from "./keeper.ts";

declare const self: ServiceWorkerGlobalScope;
/** Written by the build (tools/worker.ts). */
declare const __BUILD__: Build;

const keeper = new Keeper(__BUILD__, caches, fetch.bind(self));

self.addEventListener("install", event => {
  // Waiting would be for pages of the build before; but they find their parts in what is kept of it.
  event.waitUntil(keeper.take().then(() => self.skipWaiting()));
});

self.addEventListener("activate", event => event.waitUntil(keeper.tidy()));

self.addEventListener("fetch", event => {
  const answer = keeper.answer(event.request, location.origin);
  if (answer !== null) event.respondWith(answer);
});
