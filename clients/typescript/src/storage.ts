/** What is to be sent, and where it is kept so that it survives a reload. */

import type { SendAckFrame } from "./protocol.ts";

/** What `send` is given: a text, or more. `client_msg_id`: chosen for you; the same one is never a second message. */
export interface Draft {
  body: string;
  format?: "markdown" | "plain";
  thread_root_id?: string;
  media_ids?: string[];
  client_msg_id?: string;
}

/** Why a message was refused for good. */
export interface Refusal {
  code: string;
  detail: string;
  errors: Record<string, string>;
}

/** What a storage keeps of a message: plain JSON, by `client_msg_id`. */
export interface StoredEntry extends Draft {
  client_msg_id: string;
  room_id: string;
  /** Milliseconds since 1970. */
  created_at: number;
  /** Where it stands among the others. */
  order: number;
  /** Whose it is: nobody else's client sends it. */
  user_id: string;
  /** Which running client looks after it. */
  owner: string;
  refusal?: Refusal;
}

/**
 * waiting: it has its turn, or a connection, or the rate limit before it. sending: it is under way, and may be committed
 * already. refused: for good; `retry` or `remove` it.
 */
export type EntryState = "waiting" | "sending" | "refused";

/** A message that is not committed. */
export interface OutboxEntry extends Draft {
  client_msg_id: string;
  room_id: string;
  created_at: number;
  state: EntryState;
  /** Of one that waits as the server asked: until when, in milliseconds since 1970. */
  retry_at?: number;
  refusal?: Refusal;
}

/** A message is committed. */
export interface Sent {
  entry: OutboxEntry;
  ack: SendAckFrame;
}

type MaybePromise<T> = T | Promise<T>;

/**
 * Where the outbox lives between runs, shared by all tabs. Nothing of it has to be atomic beyond one entry. A failure (a full
 * disk, a private window) costs the survival of a reload and nothing else.
 */
export interface OutboxStorage {
  /** All entries, in any order. */
  load(): MaybePromise<StoredEntry[]>;
  /** Insert it, or replace the one with its `client_msg_id`. */
  save(entry: StoredEntry): MaybePromise<void>;
  remove(clientMsgId: string): MaybePromise<void>;
}

/** For as long as the program runs. */
export class MemoryOutbox implements OutboxStorage {
  readonly #entries = new Map<string, StoredEntry>();

  load(): StoredEntry[] {
    return [...this.#entries.values()];
  }

  save(entry: StoredEntry): void {
    this.#entries.set(entry.client_msg_id, { ...entry });
  }

  remove(clientMsgId: string): void {
    this.#entries.delete(clientMsgId);
  }
}
