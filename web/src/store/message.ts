/**
 * What events make of a message. The law: an old message and the events after it are what a fresh read says. All of it may be applied
 * twice, and to a message that is newer than the event: the greatest `rev` counts, and deletion wins.
 */

import type { AnyEvent, Image, Message, OutboxEntry, Reaction, SendAckFrame } from "@parley/client";

/** An event about a message that exists already. */
export type MessageChange = Extract<AnyEvent, { message_id: string }>;

const MOST_NAMED = 20;

export function isMessageChange(event: AnyEvent): event is MessageChange {
  return event.kind.startsWith("message.") ? event.kind !== "message.created" : event.kind.startsWith("reaction.");
}

/** The message after the event; the same object if nothing has changed. `me`: whose `mine` it is. */
export function apply(message: Message, event: MessageChange, me: string): Message {
  if (event.kind === "message.deleted") return deleted(message, event.rev, event.deleted_by);
  if (message.deleted) return message;
  switch (event.kind) {
    case "message.edited": {
      if (event.rev < message.rev) return message;
      const { rev, body, format, mentions, edited_at } = event;
      return {
        ...message,
        rev,
        body,
        format,
        mentions,
        mention_all: event.mention_all ?? false,
        edited_at,
        unreadable: event.unreadable ?? false,
      };
    }
    case "message.pinned":
      return message.pinned ? message : { ...message, pinned: true };
    case "message.unpinned":
      return message.pinned ? { ...message, pinned: false } : message;
    case "reaction.added":
      return { ...message, reactions: reacted(message.reactions, event, true, me) };
    case "reaction.removed":
      return { ...message, reactions: reacted(message.reactions, event, false, me) };
    default:
      return message;
  }
}

function deleted(message: Message, rev: number, by: string | null): Message {
  if (message.deleted) return message;
  return {
    ...message,
    rev: Math.max(rev, message.rev),
    deleted: true,
    deleted_by: by,
    body: null,
    mentions: [],
    mention_all: false,
    reactions: [],
    media: [],
    pinned: false,
    unreadable: false,
  };
}

/** Sorted by reaction, people in the order in which they came; how many there are is what the event says. */
function reacted(
  reactions: readonly Reaction[],
  event: { reaction: string; user_id: string; count: number },
  added: boolean,
  me: string,
): Reaction[] {
  const known = reactions.find(({ reaction }) => reaction === event.reaction);
  const others = (known?.user_ids ?? []).filter(id => id !== event.user_id);
  const users = added
    ? known?.user_ids.includes(event.user_id)
      ? known.user_ids
      : [...others, event.user_id]
    : others;
  const mine = event.user_id === me ? added : (known?.mine ?? false);
  const rest = reactions.filter(({ reaction }) => reaction !== event.reaction);
  if (event.count === 0) return rest;
  const now = { reaction: event.reaction, count: event.count, user_ids: users.slice(0, MOST_NAMED), mine };
  return [...rest, now].sort((one, other) => byCodePoints(one.reaction, other.reaction));
}

/** As the server sorts them: by code points, not by UTF-16 units. */
function byCodePoints(one: string, other: string): number {
  const a = [...one];
  const b = [...other];
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const difference = (a[i]?.codePointAt(0) ?? 0) - (b[i]?.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Of two states of a message the one to keep: `fresh` was read, or came with an event, after `known`. */
export function newer(known: Message, fresh: Message): Message {
  if (known.deleted && !fresh.deleted) return known;
  return fresh.rev >= known.rev || fresh.deleted ? fresh : known;
}

/** A message that came with an event: shared by everybody, so `mine` is worked out; and it knows of no replies. */
export function fromEvent(message: Message, known: Message | undefined, me: string): Message {
  if (known !== undefined && (known.rev >= message.rev || known.deleted)) return known;
  const reactions = message.reactions.map(reaction => ({ ...reaction, mine: reaction.user_ids.includes(me) }));
  return {
    ...message,
    reactions,
    reply_count: known?.reply_count ?? message.reply_count,
    pinned: known?.pinned ?? message.pinned,
  };
}

/** One's own message between its ack and its event. Any state that the server tells of it is newer. */
export function echo(me: string, entry: OutboxEntry, ack: SendAckFrame, media: Image[]): Message {
  return {
    id: ack.message_id,
    room_id: entry.room_id,
    seq: ack.seq,
    n: ack.n ?? null,
    sender_id: me,
    body: entry.body,
    format: entry.format ?? "markdown",
    media,
    thread_root_id: entry.thread_root_id ?? null,
    reply_count: 0,
    mentions: [],
    mention_all: false,
    reactions: [],
    rev: 0,
    edited_at: null,
    deleted: false,
    deleted_by: null,
    pinned: false,
    unreadable: false,
    created_at: ack.created_at,
  };
}
