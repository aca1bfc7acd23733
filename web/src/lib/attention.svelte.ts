/** Calls for attention outside the page: its title and icon, and the browser's notifications if one has asked for them. */

import type { Notification as ParleyNotification } from "@parley/client";
import type { Store } from "../store/store.ts";
import { t } from "./i18n.svelte.ts";
import { preferences } from "./preferences.svelte.ts";
import { loadAhead } from "./renewal.ts";
import { personName, roomName } from "./roomnames.ts";
import { paths, router } from "./router.svelte.ts";
import { watched } from "./watched.ts";

const ICON = "/icon.svg";
const ICON_NEW = "/icon-new.svg";

/** What the page is called that is shown. */
let page = $state("");

/** Whoever shows a page says here what it is called; undefined while that is nobody's business but a part's within. */
export function titled(name: () => string | undefined): void {
  $effect(() => {
    page = name() ?? page;
  });
}

/** Runs for as long as somebody is signed in; call it while a component is set up. */
export function callForAttention(store: Store): void {
  $effect(() => {
    const { unread, mentions } = watched(store.rooms).totals;
    const count = mentions > 0 ? `(${mentions}) ` : unread > 0 ? "• " : "";
    document.title = `${count}${page === "" ? "" : `${page} · `}Parley`;
    void show(mentions);
  });
  store.hooks.notified = notification => void announce(store, notification);
  $effect(() => () => {
    document.title = "Parley";
    void show(0);
  });
}

let shown = 0;

/** In the page's icon, and on that of the app where it is installed. */
async function show(mentions: number): Promise<void> {
  if (mentions === shown) return;
  shown = mentions;
  // Where there is no app the browser refuses, or does not know it.
  void navigator.setAppBadge?.(mentions).catch(() => undefined);
  let href = ICON;
  if (mentions > 0) {
    const drawn = await loadAhead(() => import("./icon.ts").then(({ iconWith }) => iconWith(mentions)));
    href = drawn ?? ICON_NEW;
  }
  if (mentions === shown) setIcon(href);
}

function setIcon(href: string): void {
  const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  if (link !== null && link.getAttribute("href") !== href) link.href = href;
}

async function announce(store: Store, notification: ParleyNotification): Promise<void> {
  if (!preferences.desktopNotifications || globalThis.Notification?.permission !== "granted") return;
  // Whoever has the page before him sees it there.
  if (document.hasFocus()) return;
  const { actor_id, room_id, message_id, thread_root_id } = notification;
  const room = store.rooms.get(room_id);
  // Of whom nothing was shown yet: a notification stays as it was made.
  if (actor_id !== null) await store.people.learn([actor_id]);
  const who = actor_id === null ? "" : personName(store, actor_id);
  const title = t(`notifications.kind_${notification.kind}`, {
    who,
    room: room === undefined ? "" : roomName(store, room),
  });
  let body = "";
  // Sealed content shall not lie about in the system's list of notifications.
  if (message_id !== null && room?.encryption === "plain") {
    const message = store.timeline(room_id).get(message_id) ?? (await store.timeline(room_id).refresh(message_id));
    body = message?.body?.slice(0, 200) ?? "";
  }
  // All tabs hear of it; the same tag makes one notification of them.
  const shown = new Notification(title, { body, tag: notification.id, icon: ICON });
  shown.onclick = () => {
    window.focus();
    shown.close();
    if (message_id === null) router.go(paths.room(room_id));
    else
      router.go(
        thread_root_id === null
          ? paths.message(room_id, message_id)
          : paths.thread(room_id, thread_root_id, message_id),
      );
  };
}
