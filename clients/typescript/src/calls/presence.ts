import type { Caller } from "../caller.ts";
import type { Presence, PresenceChoice, Presences } from "../protocol.ts";

/** Who is there. To hear of changes: `client.watchPresence`. */
export const presence = ({ call }: Caller) => ({
  /** Of these (200 at most) the ones whom one may see: people one shares a room with. */
  get: (user_ids: readonly string[]): Promise<Presences> =>
    call("get", "/presence", { query: { user_ids: user_ids.join(",") } }),

  /** What others see of me. It counts while I am connected, and stays until I say something else. */
  set: (choice: PresenceChoice): Promise<Presence> => call("put", "/presence/me", { body: choice }),
});
