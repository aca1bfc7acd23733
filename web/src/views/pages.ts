/**
 * Views that are loaded when they are first shown. A file of these folders whose name ends in `Page.svelte` is one: it is given
 * the route. Which of them is shown for a route is said here, and nowhere else.
 */

import type { Component } from "svelte";
import type { Route } from "../lib/router.svelte.ts";

type Page = Component<{ route: Route }>;

const LOADERS = import.meta.glob<{ default: Page }>(
  "./{account,settings,admin,rooms,search,notifications}/*Page.svelte",
);

const FILES: Partial<Record<Route["name"], string>> = {
  signin: "./account/SignInPage.svelte",
  register: "./account/RegisterPage.svelte",
  reset: "./account/ResetPage.svelte",
  setup: "./account/SetupPage.svelte",
  settings: "./settings/SettingsPage.svelte",
  admin: "./admin/AdminPage.svelte",
  directory: "./rooms/DirectoryPage.svelte",
  search: "./search/SearchPage.svelte",
  notifications: "./notifications/NotificationsPage.svelte",
};

const loaded = new Map<string, Promise<Page>>();

/** The view of a route that has one of its own, null for any other. */
export function pageOf(name: Route["name"]): Promise<Page> | null {
  const file = FILES[name];
  const load = file === undefined ? undefined : LOADERS[file];
  if (file === undefined || load === undefined) return null;
  const page = loaded.get(file) ?? load().then(module => module.default);
  loaded.set(file, page);
  // A lost connection shall not make the view unreachable for good.
  page.catch(() => loaded.delete(file));
  return page;
}
