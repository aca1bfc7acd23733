/** What one may do by one's office; the server decides, this only spares people buttons that would be refused. */

import type { Me, MyRoom } from "@parley/client";

/** Pins, deletes others' messages, mutes, … */
export function moderates(room: MyRoom, me: Me | null): boolean {
  if (room.kind === "direct") return false;
  if (room.role !== "member") return true;
  return me?.role === "admin" || (me?.role === "moderator" && room.visibility === "public");
}

/** Name, topic, roles, deletion. */
export const owns = (room: MyRoom): boolean => room.kind === "room" && room.role === "owner";

/** Whoever is in a public room may bring others in; into a private one its moderators. */
export const invites = (room: MyRoom, me: Me | null): boolean =>
  room.kind === "room" && (room.visibility === "public" || moderates(room, me));
