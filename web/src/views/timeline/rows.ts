/** The lines of a timeline: messages with what stands between them. */

import type { Message, OutboxEntry } from "@parley/client";

export type Row =
  | { kind: "start"; key: string }
  | { kind: "day"; key: string; at: Date }
  | { kind: "new"; key: string }
  | { kind: "message"; key: string; message: Message; grouped: boolean }
  | { kind: "entry"; key: string; entry: OutboxEntry; grouped: boolean };

export interface RowsOf {
  messages: readonly Message[];
  entries: readonly OutboxEntry[];
  me: string;
  /** The first message is the first of all. */
  fromStart: boolean;
  /** Above the first message of others beyond this seq stands the line that says "new". */
  readSeq: number | null;
  /** Message id → client_msg_id of what was sent in this visit. */
  echoes: ReadonlyMap<string, string>;
}

/** Messages of one person within so long belong together. */
const GROUP_MS = 5 * 60_000;

export function rowsOf({ messages, entries, me, fromStart, readSeq, echoes }: RowsOf): Row[] {
  const rows: Row[] = fromStart ? [{ kind: "start", key: "start" }] : [];
  let day = "";
  let sender = "";
  let at = 0;
  let isNew = readSeq === null;

  const begin = (id: string, time: number): boolean => {
    const date = new Date(time);
    const key = `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`;
    if (key !== day) {
      rows.push({ kind: "day", key: `day:${key}`, at: date });
      day = key;
      sender = "";
    }
    const grouped = id === sender && time - at < GROUP_MS;
    sender = id;
    at = time;
    return grouped;
  };

  for (const message of messages) {
    let grouped = begin(message.sender_id, Date.parse(message.created_at));
    if (!isNew && message.seq > (readSeq ?? 0) && message.sender_id !== me) {
      isNew = true;
      rows.push({ kind: "new", key: "new" });
      grouped = false;
    }
    rows.push({
      kind: "message",
      key: echoes.get(message.id) ?? message.id,
      message,
      grouped: grouped && !message.deleted,
    });
    if (message.deleted) sender = "";
  }
  const shown = new Set(rows.map(({ key }) => key));
  const last = messages.slice(-entries.length - 5);
  for (const entry of entries) {
    if (shown.has(entry.client_msg_id) || isThere(entry, last, me, echoes)) continue;
    const grouped = begin(me, entry.created_at);
    rows.push({ kind: "entry", key: entry.client_msg_id, entry, grouped });
  }
  return rows;
}

/** A message's event may overtake its ack: then it is there already, and its entry need not be shown for that moment. */
function isThere(
  entry: OutboxEntry,
  last: readonly Message[],
  me: string,
  echoes: ReadonlyMap<string, string>,
): boolean {
  if (entry.state !== "sending") return false;
  const body = entry.body.normalize("NFC");
  return last.some(
    message =>
      message.sender_id === me &&
      message.body === body &&
      !echoes.has(message.id) &&
      Date.parse(message.created_at) >= entry.created_at - GROUP_MS / 5,
  );
}

/** What stands above the line that says "new" when one arrives there. */
const ABOVE_NEW = 3;

/** Without what is above the place where one arrives: the line that says "new", otherwise the newest. `fit`: so many are in sight. */
export function fromArrival(rows: readonly Row[], fit: number): readonly Row[] {
  const at = rows.findIndex(({ kind }) => kind === "new");
  const newest = rows.length - fit;
  return rows.slice(Math.max(0, at < 0 ? newest : Math.min(newest, at - ABOVE_NEW)));
}

/** How a list of rows begins and ends; empty where nothing is. */
export interface Ends {
  first: string;
  last: string;
}

/** Days and other lines between messages come and go with them: the first message counts. */
export const endsOf = (rows: readonly Row[]): Ends => ({
  first: rows.find(({ kind }) => kind === "message")?.key ?? "",
  last: rows.at(-1)?.key ?? "",
});

/** Rows were added or removed above what is seen: then the list holds on to its end. */
export const isShift = (before: Ends, now: Ends): boolean =>
  before.last !== "" && before.last === now.last && before.first !== now.first;

/** One's own newest messages that are committed and still there, the newest first. */
export const ownNewest = (rows: readonly Row[], me: string): Message[] =>
  rows
    .slice(-60)
    .flatMap(row => (row.kind === "message" ? row.message : []))
    .filter(message => message.sender_id === me && message.rev > 0 && !message.deleted)
    .slice(-8)
    .reverse();

/** The message so many further down, or up; where none is chosen yet, the newest. */
export function neighbour(
  rows: readonly Row[],
  id: string | null,
  step: number,
): { at: number; id: string } | undefined {
  const messages = rows.flatMap((row, at) => (row.kind === "message" ? [{ at, id: row.message.id }] : []));
  const now = messages.findIndex(message => message.id === id);
  return now < 0 ? messages.at(-1) : messages[Math.min(messages.length - 1, Math.max(0, now + step))];
}
