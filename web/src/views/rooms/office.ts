/** What one may do by one's office; the server decides, this only spares people buttons that would be refused. */

import type { Me, MyRoom } from "@parley/client";

/** Pins, deletes others' messages, mutes, … */
export function moderates(room: MyRoom, me: Me | null): boolean {
  if (room.kind === "direct") return false;
  if (room.role !== "member") return true;
  return me?.role === "admin" || (me?.role === "moderator" && room.visibility === "public");
}

const RANK: Record<MyRoom["role"], number> = { member: 1, moderator: 2, owner: 3 };

/** Mutes, removes and bans somebody of that role, and changes it as an owner: nobody acts on an equal or higher one. */
export const outranks = (room: MyRoom, me: Me | null, role: MyRoom["role"]): boolean =>
  moderates(room, me) && Math.max(RANK[room.role], RANK.moderator) > RANK[role];

/** Name, topic, roles, deletion. */
export const owns = (room: MyRoom): boolean => room.kind === "room" && room.role === "owner";

/** Whoever is in a public room may bring others in; into a private one its moderators. */
export const invites = (room: MyRoom, me: Me | null): boolean =>
  room.kind === "room" && (room.visibility === "public" || moderates(room, me));
