import type { Caller } from "../caller.ts";
import type {
  DirectoryRoom,
  DirectoryRooms,
  Member,
  Members,
  MyRoom,
  MyRooms,
  NewRoom,
  RoomChange,
  RoomPrivacy,
} from "../protocol.ts";
import type { PageOf } from "./paging.ts";

export type RoomRole = Member["role"];

/** Rooms, and who is in them. */
export const rooms = ({ call }: Caller) => ({
  /** The caller is its owner. key: called again with the same one within a day, after a lost answer, it is the same room. */
  create: (body: NewRoom, key?: string): Promise<MyRoom> =>
    call("post", "/rooms", { body, headers: key === undefined ? undefined : { "Idempotency-Key": key } }),

  /** One's own, most recently active first; with `last_message`. */
  list: (of: PageOf = {}): Promise<MyRooms> => call("get", "/rooms", { query: of }),

  /** Public ones. */
  directory: (query?: string, of: PageOf = {}): Promise<DirectoryRooms> =>
    call("get", "/rooms/directory", { query: { ...(query ? { query } : {}), ...of } }),

  /** A DirectoryRoom, if one is no member of a public room. */
  get: async (room_id: string): Promise<MyRoom | DirectoryRoom> =>
    call("get", "/rooms/{room_id}", { path: { room_id } }),

  /** Name, topic, settings, slow mode. `rev`: that of the room which the change was made from. Codes: `rev_conflict`. */
  update: (room_id: string, body: RoomChange): Promise<MyRoom> =>
    call("patch", "/rooms/{room_id}", { path: { room_id }, body }),

  /** Gone for everybody at once; its owners may restore it for seven days. */
  delete: (room_id: string) => call("delete", "/rooms/{room_id}", { path: { room_id } }),

  restore: (room_id: string): Promise<MyRoom> => call("post", "/rooms/{room_id}/restore", { path: { room_id } }),

  join: (room_id: string): Promise<MyRoom> => call("post", "/rooms/{room_id}/join", { path: { room_id } }),

  /** Codes: `last_owner`, `fixed_members`. */
  leave: (room_id: string) => call("post", "/rooms/{room_id}/leave", { path: { room_id } }),

  members: (room_id: string, of: PageOf = {}): Promise<Members> =>
    call("get", "/rooms/{room_id}/members", { path: { room_id }, query: of }),

  /** At once; he is told. */
  addMember: (room_id: string, user_id: string, role: RoomRole = "member"): Promise<Member> =>
    call("post", "/rooms/{room_id}/members", { path: { room_id }, body: { user_id, role } }),

  setRole: (room_id: string, user_id: string, role: RoomRole): Promise<Member> =>
    call("patch", "/rooms/{room_id}/members/{user_id}", { path: { room_id, user_id }, body: { role } }),

  removeMember: (room_id: string, user_id: string) =>
    call("delete", "/rooms/{room_id}/members/{user_id}", { path: { room_id, user_id } }),

  /** Who can read what in it, in sentences for people, to be shown as they are. */
  privacy: (room_id: string): Promise<RoomPrivacy> => call("get", "/rooms/{room_id}/privacy", { path: { room_id } }),

  /** The room of these people and oneself; always the same one. Codes: `not_reachable`. */
  direct: (user_ids: readonly string[]): Promise<MyRoom> =>
    call("post", "/direct", { body: { user_ids: [...user_ids] } }),
});
