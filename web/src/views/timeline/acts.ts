/** What one does to a message, with what went wrong said at the edge of the page. */

import type { Client, Message } from "@parley/client";
import { attempt } from "../../lib/attempt.ts";
import { t } from "../../lib/i18n.svelte.ts";
import { paths } from "../../lib/router.svelte.ts";
import { toasts } from "../../lib/toasts.svelte.ts";

/** What has changed comes as an event. */
export const react = (client: Client, { room_id, id }: Message, reaction: string, on: boolean): Promise<boolean> =>
  attempt(() => client.api.messages[on ? "react" : "unreact"](room_id, id, reaction));

export const pin = (client: Client, { room_id, id }: Message, on: boolean): Promise<boolean> =>
  attempt(() => client.api.messages[on ? "pin" : "unpin"](room_id, id));

export const remove = (client: Client, { room_id, id }: Message): Promise<boolean> =>
  attempt(() => client.api.messages.delete(room_id, id));

export async function copyText(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toasts.show("good", t("ui.copied"));
  } catch {
    toasts.show("error", t("ui.copy_failed"));
  }
}

export const copyLink = ({ room_id, id, thread_root_id }: Message): Promise<void> =>
  copyText(
    location.origin +
      (thread_root_id === null ? paths.message(room_id, id) : paths.thread(room_id, thread_root_id, id)),
  );
