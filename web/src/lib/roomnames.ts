/** How a room is called: a direct one by its people. */

import type { MyRoom } from "@parley/client";
import type { Store } from "../store/store.ts";
import { listText, t } from "./i18n.svelte.ts";
import { watched } from "./watched.ts";

type Named = Pick<MyRoom, "id" | "kind" | "name"> & { user_ids?: string[] | null };

export function roomName(store: Store, room: Named): string {
  if (room.kind !== "direct") return room.name ?? "";
  const others = otherPeople(store, room);
  if (others.length === 0) return t("rooms.alone");
  return listText(others.map(id => personName(store, id)));
}

/** Of a direct room: everybody but oneself. */
export const otherPeople = (store: Store, room: Named): string[] =>
  (room.user_ids ?? []).filter(id => id !== store.me.id);

/** What somebody calls himself; an ellipsis until that is known. */
export function personName(store: Store, id: string): string {
  if (id === store.me.id) {
    const me = watched(store.me).value;
    if (me !== null) return me.display_name || me.username;
  }
  const user = watched(store.people).get(id);
  if (user === undefined) return "…";
  return user.deleted ? t("people.deleted") : user.display_name || user.username;
}
