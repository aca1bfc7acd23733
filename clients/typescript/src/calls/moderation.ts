import type { Caller } from "../caller.ts";
import type { Measure, Reported, Reports, Sanction, Sanctions } from "../protocol.ts";
import type { PageOf } from "./paging.ts";

/** What moderators do in rooms; slow mode is a setting of the room: `rooms.update`. */
export const moderation = ({ call }: Caller) => ({
  /** He reads on and writes nothing, for `minutes` or until it is lifted. */
  mute: (room_id: string, body: Measure): Promise<Sanction> =>
    call("post", "/rooms/{room_id}/mutes", { path: { room_id }, body }),

  unmute: (room_id: string, user_id: string) =>
    call("delete", "/rooms/{room_id}/mutes/{user_id}", { path: { room_id, user_id } }),

  mutes: (room_id: string, of: PageOf = {}): Promise<Sanctions> =>
    call("get", "/rooms/{room_id}/mutes", { path: { room_id }, query: of }),

  /** He may join again. */
  kick: (room_id: string, user_id: string, reason?: string) =>
    call("post", "/rooms/{room_id}/kicks", { path: { room_id }, body: { user_id, reason: reason ?? null } }),

  /** He is removed and can neither join nor be added, for `minutes` or until it is lifted. */
  ban: (room_id: string, body: Measure): Promise<Sanction> =>
    call("post", "/rooms/{room_id}/bans", { path: { room_id }, body }),

  unban: (room_id: string, user_id: string) =>
    call("delete", "/rooms/{room_id}/bans/{user_id}", { path: { room_id, user_id } }),

  bans: (room_id: string, of: PageOf = {}): Promise<Sanctions> =>
    call("get", "/rooms/{room_id}/bans", { path: { room_id }, query: of }),

  /** Moderators see it. As long as it is open, reporting the message again is the same report. */
  report: (room_id: string, message_id: string, reason: string): Promise<Reported> =>
    call("post", "/rooms/{room_id}/messages/{message_id}/reports", { path: { room_id, message_id }, body: { reason } }),

  /** For the room's moderators: open ones first, then the newest first. */
  reports: (room_id: string, of: PageOf = {}): Promise<Reports> =>
    call("get", "/rooms/{room_id}/reports", { path: { room_id }, query: of }),
});
