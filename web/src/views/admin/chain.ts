/**
 * Whether entries of the audit trail that follow each other name each other: `prev_hash` of one is `hash` of the one before.
 *
 * It shows that what came fits together, and no more: whether a hash is that of its entry is checked on an export.
 */

import type { AuditEntry } from "@parley/client";

type Link = Pick<AuditEntry, "n" | "room_id" | "hash" | "prev_hash">;

/** Pairs that stand next to each other in their chain: there is one for each room, and one for accounts. */
function* pairs(entries: readonly Link[]): Generator<[Link, Link]> {
  const found = new Map(entries.map(entry => [`${entry.room_id} ${entry.n}`, entry]));
  for (const entry of entries) {
    const before = found.get(`${entry.room_id} ${entry.n - 1}`);
    if (before !== undefined) yield [before, entry];
  }
}

export const countLinks = (entries: readonly Link[]): number => [...pairs(entries)].length;

/** Numbers of entries that do not name the one before them. */
export const brokenLinks = (entries: readonly Link[]): number[] =>
  [...pairs(entries)].filter(([before, entry]) => entry.prev_hash !== before.hash).map(([, entry]) => entry.n);
