/** What one can do about somebody, wherever his name stands. */

import { type MyRoom, ParleyError } from "@parley/client";
import type { Session } from "../../lib/app.svelte.ts";
import { attempt } from "../../lib/attempt.ts";
import { errorText, t } from "../../lib/i18n.svelte.ts";
import { personName } from "../../lib/roomnames.ts";
import { paths, router } from "../../lib/router.svelte.ts";
import { toasts } from "../../lib/toasts.svelte.ts";
import { watched } from "../../lib/watched.ts";
import type { MenuItem } from "../../ui/Menu.svelte";
import { outranks } from "../rooms/office.ts";

type SignedIn = Extract<Session, { name: "in" }>;
export type Measure = "mute" | "kick" | "ban";

/** Goes to the room of the two. */
async function write(session: SignedIn, userId: string): Promise<void> {
  const { client, store } = session;
  if (store.blocks.has(userId)) {
    const unblock = async () => {
      await store.blocks.set(userId, false);
      await write(session, userId);
    };
    const run = () => void attempt(unblock);
    toasts.show("error", t("people.blocked", { who: personName(store, userId) }), { label: t("people.unblock"), run });
    return;
  }
  try {
    const found = await client.api.rooms.direct([userId]);
    store.take(found);
    router.go(paths.room(found.id));
  } catch (error) {
    // Who does not want to be written to is not to be told from who does not exist.
    const unreachable = error instanceof ParleyError && error.code === "not_found";
    toasts.show("error", unreachable ? t("errors.not_reachable") : errorText(error));
  }
}

/** Between the two of them. */
export function dealings(session: SignedIn, userId: string): MenuItem[] {
  const { blocks } = session.store;
  const blocked = watched(blocks).has(userId);
  return [
    { label: t("people.write"), run: () => void write(session, userId) },
    {
      label: blocked ? t("people.unblock") : t("people.block"),
      run: () => void attempt(() => blocks.set(userId, !blocked)),
    },
  ];
}

/** By one's office in a room, over a member of that role. */
export function measures(
  { store }: SignedIn,
  room: MyRoom,
  role: MyRoom["role"],
  take: (what: Measure) => void,
): MenuItem[] {
  if (!outranks(room, watched(store.me).value, role)) return [];
  return [
    { label: t("rooms.mute"), apart: true, run: () => take("mute") },
    { label: t("rooms.kick"), danger: true, run: () => take("kick") },
    { label: t("rooms.ban"), danger: true, run: () => take("ban") },
  ];
}
