/** Every call of the HTTP API, grouped as the protocol groups them. Each throws ParleyError. */

import type { Caller } from "./caller.ts";
import { accounts } from "./calls/accounts.ts";
import { admin } from "./calls/admin.ts";
import { media } from "./calls/media.ts";
import { messages } from "./calls/messages.ts";
import { moderation } from "./calls/moderation.ts";
import { notifications } from "./calls/notifications.ts";
import { presence } from "./calls/presence.ts";
import { rooms } from "./calls/rooms.ts";
import { search } from "./calls/search.ts";
import { sync } from "./calls/sync.ts";
import { users } from "./calls/users.ts";

export const makeApi = (caller: Caller) => ({
  accounts: accounts(caller),
  users: users(caller),
  rooms: rooms(caller),
  messages: messages(caller),
  sync: sync(caller),
  notifications: notifications(caller),
  presence: presence(caller),
  media: media(caller),
  search: search(caller),
  moderation: moderation(caller),
  admin: admin(caller),
});

export type Api = ReturnType<typeof makeApi>;
