/** What could be meant by the beginning of a name or of an emoji. */

import type { MyRoom, User } from "@parley/client";
import { t } from "../../lib/i18n.svelte.ts";
import type { Store } from "../../store/store.ts";
import { moderates } from "../rooms/office.ts";

export interface Completion {
  key: string;
  /** What is put into the text. */
  insert: string;
  title: string;
  detail: string;
  person?: { id: string };
}

const MOST = 8;
const NAME = /(?:^|[^\p{L}\p{N}_@./-])@([\p{L}\p{N}_.-]{0,32})$/u;
const EMOJI = /(?:^|\s):([\p{L}\p{N}_+-]{2,20})$/u;

/** `from`: where the beginning begins. Null if there is nothing to complete. */
export async function completing(
  before: string,
  store: Store,
  room: MyRoom,
): Promise<{ from: number; items: Completion[] } | null> {
  const name = NAME.exec(before)?.[1];
  if (name !== undefined) return { from: before.length - name.length - 1, items: await people(name, store, room) };
  const emoji = EMOJI.exec(before)?.[1];
  if (emoji !== undefined) return { from: before.length - emoji.length - 1, items: await emojis(emoji) };
  return null;
}

async function people(begun: string, store: Store, room: MyRoom): Promise<Completion[]> {
  const members = store.members(room.id);
  await members.load();
  await store.people.learn((members.all ?? []).map(({ user_id }) => user_id));
  const wanted = begun.toLocaleLowerCase();
  const users = (members.all ?? []).flatMap(({ user_id }) =>
    user_id === store.me.id ? [] : (store.people.get(user_id) ?? []),
  );
  const found = users
    .filter(user => !user.deleted)
    .map(user => ({ user, rank: rank(user, wanted) }))
    .filter(({ rank }) => rank < 3)
    .sort((one, other) => one.rank - other.rank || one.user.username.localeCompare(other.user.username))
    .slice(0, MOST)
    .map(({ user }) => ({
      key: user.id,
      insert: `@${user.username}`,
      title: user.display_name || user.username,
      detail: `@${user.username}`,
      person: { id: user.id },
    }));
  if (moderates(room, store.me.value) && "all".startsWith(wanted)) {
    found.push({ key: "all", insert: "@all", title: "@all", detail: t("composer.everybody"), person: { id: "all" } });
  }
  return found;
}

function rank(user: User, wanted: string): number {
  const name = user.display_name.toLocaleLowerCase();
  if (user.username.toLocaleLowerCase().startsWith(wanted)) return 0;
  if (name.startsWith(wanted)) return 1;
  return name.split(/\s+/).some(word => word.startsWith(wanted)) ? 2 : 3;
}

async function emojis(begun: string): Promise<Completion[]> {
  try {
    const { find } = await import("./emoji.ts");
    return (await find(begun.toLowerCase())).slice(0, MOST).map(({ unicode, name, shortcodes }) => ({
      key: unicode,
      insert: unicode,
      title: name,
      detail: shortcodes[0] === undefined ? "" : `:${shortcodes[0]}:`,
    }));
  } catch {
    // Without the list, what was written stays what it is.
    return [];
  }
}
