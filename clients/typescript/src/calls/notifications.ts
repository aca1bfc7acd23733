import type { Caller } from "../caller.ts";
import type { MyRoom, Notifications } from "../protocol.ts";
import type { PageOf } from "./paging.ts";

export type NotifyLevel = NonNullable<MyRoom["notify"]>;

/** What one is told of. */
export const notifications = ({ call }: Caller) => ({
  /** The newest first, each with its message as it is now. */
  list: (given: PageOf & { unread?: boolean } = {}): Promise<Notifications> =>
    call("get", "/notifications", { query: given }),

  /** That one and all before it, on all devices. */
  readUpTo: (up_to: string) => call("put", "/notifications/read", { body: { up_to } }),

  setLevel: (room_id: string, level: NotifyLevel): Promise<MyRoom> =>
    call("patch", "/rooms/{room_id}/notify", { path: { room_id }, body: { level } }),
});
