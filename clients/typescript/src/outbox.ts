/** What is to be sent: first in, first out in each room, kept until it is committed. */

import { Backoff } from "./closes.ts";
import { type Observable, Variable } from "./emitter.ts";
import { NEEDS_TOKEN, ParleyError } from "./errors.ts";
import type { Locks } from "./locks.ts";
import type { SendAckFrame } from "./protocol.ts";
import type { Draft, OutboxEntry, OutboxStorage, Refusal, Sent, StoredEntry } from "./storage.ts";

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5_000;
/** Clocks differ by a little; a hundredth of a second later is soon enough. */
const LATER_MS = 10;

/** The server may have committed it or not, or will not now: the same client_msg_id once more. */
const TRY_AGAIN: readonly string[] = ["unavailable", "rate_limited", "slow_mode", ...NEEDS_TOKEN];

export interface OutboxHooks {
  /** Throws ParleyError; `disconnected` if nobody knows what became of it. */
  transmit(command: { type: string } & Record<string, unknown>): Promise<SendAckFrame>;
  isLive(): boolean;
  sent(sent: Sent): void;
  /** The storage failed; the outbox goes on without. */
  storageFailed(error: unknown): void;
}

interface Item {
  entry: StoredEntry;
  promise: Promise<SendAckFrame>;
  resolve(ack: SendAckFrame): void;
  reject(error: ParleyError): void;
  /** In the storage, or known not to be. */
  kept: boolean;
  sending: boolean;
  /** It was sent at least once, and nobody knows what became of it. */
  unknown: boolean;
  retryAt: number | undefined;
  timer: ReturnType<typeof setTimeout> | undefined;
  backoff: Backoff;
}

/**
 * One send of a room is under way at a time, those of different rooms side by side: the next goes only when it is known what
 * became of the one before. If two were under way and the first were refused for the moment, the second would overtake it.
 */
export class Outbox {
  readonly #storage: OutboxStorage;
  readonly #locks: Locks;
  readonly #hooks: OutboxHooks;
  readonly #random: () => number;
  readonly #owner = uuid();
  readonly #rooms = new Map<string, Item[]>();
  readonly #refused: StoredEntry[] = [];
  readonly #entries = new Variable<readonly OutboxEntry[]>([]);
  readonly #closing = new AbortController();
  #closed: ParleyError | null = null;
  #userId: string | null = null;
  #ready = false;
  #lastOrder = 0;

  constructor(storage: OutboxStorage, locks: Locks, random: () => number, hooks: OutboxHooks) {
    this.#storage = storage;
    this.#locks = locks;
    this.#random = random;
    this.#hooks = hooks;
  }

  /** What is not committed, in the order of sending; those refused among them. */
  get entries(): Observable<readonly OutboxEntry[]> {
    return this.#entries;
  }

  /** How many are on their way: all but those refused. */
  get waiting(): number {
    let count = 0;
    for (const queue of this.#rooms.values()) count += queue.length;
    return count;
  }

  /** Takes its place in its room's queue at once. The promise: its ack, or the ParleyError of a refusal for good. */
  send(roomId: string, draft: Draft): Promise<SendAckFrame> {
    if (this.#closed !== null) return Promise.reject(this.#closed);
    const item = this.#item({
      ...draft,
      client_msg_id: draft.client_msg_id ?? uuid(),
      room_id: roomId,
      created_at: Date.now(),
      order: this.#nextOrder(),
      user_id: this.#userId ?? "",
      owner: this.#owner,
    });
    this.#queue(roomId).push(item);
    if (this.#ready) void this.#keep(item);
    this.#changed();
    return item.promise;
  }

  /** Once it is known who is signed in: takes up what an earlier run of this user's has left. */
  async start(userId: string): Promise<void> {
    if (this.#userId !== null || this.#closed !== null) return;
    this.#userId = userId;
    await this.#own();
    await this.adopt();
    this.#ready = true;
    await Promise.all([...this.#rooms.values()].flat().map(item => (item.kept ? undefined : this.#keep(item))));
    this.pump();
  }

  /** Takes over what clients that are gone have left behind. */
  async adopt(): Promise<void> {
    const stored = await this.#stored();
    const owners = new Set(stored.filter(entry => entry.owner !== this.#owner).map(entry => entry.owner));
    for (const owner of owners) {
      // Held by its owner for as long as that lives.
      await this.#locks.request(lockOf(owner), { ifAvailable: true }, async lock => {
        if (lock === null || this.#closed !== null) return;
        for (const entry of await this.#stored()) if (entry.owner === owner) await this.#inherit(entry);
      });
    }
    if (owners.size) this.#changed();
  }

  /** Send what may be sent; called whenever there is a connection. */
  pump(): void {
    for (const roomId of [...this.#rooms.keys()]) this.#next(roomId);
  }

  /** One that was refused, once more, behind all others of its room; under another key if the key was the reason. */
  retry(clientMsgId: string): Promise<SendAckFrame> | null {
    const found = this.#refused.findIndex(entry => entry.client_msg_id === clientMsgId);
    const [entry] = found < 0 ? [] : this.#refused.splice(found, 1);
    if (entry === undefined) return null;
    const { refusal, client_msg_id, room_id, ...rest } = entry;
    if (refusal?.code !== "idempotency_mismatch") return this.send(room_id, { ...draftOf(rest), client_msg_id });
    void this.#storing(() => this.#storage.remove(client_msg_id));
    return this.send(room_id, draftOf(rest));
  }

  /** Take one back: refused, or not sent yet. false: it is under way and may be committed already, or is none of these. */
  remove(clientMsgId: string): boolean {
    const refused = this.#refused.findIndex(entry => entry.client_msg_id === clientMsgId);
    const item = [...this.#rooms.values()].flat().find(({ entry }) => entry.client_msg_id === clientMsgId);
    if (refused >= 0) this.#refused.splice(refused, 1);
    else if (item === undefined || item.sending || item.unknown) return false;
    else {
      this.#take(item);
      item.reject(new ParleyError("removed", "The message was taken back."));
      this.#next(item.entry.room_id);
    }
    void this.#storing(() => this.#storage.remove(clientMsgId));
    this.#changed();
    return true;
  }

  /** Whoever waits gets this error. What is stored stays there, for another client of the same user, and stays to be seen. */
  close(error: ParleyError): void {
    if (this.#closed !== null) return;
    this.#closed = error;
    this.#closing.abort();
    for (const item of [...this.#rooms.values()].flat()) {
      clearTimeout(item.timer);
      item.sending = false;
      item.retryAt = undefined;
      item.reject(error);
    }
    this.#changed();
  }

  // -- sending

  #next(roomId: string): void {
    const item = this.#rooms.get(roomId)?.[0];
    if (item === undefined || item.sending || item.timer !== undefined || !item.kept) return;
    if (!this.#ready || this.#closed !== null || !this.#hooks.isLive()) return;
    item.sending = true;
    this.#changed();
    const { client_msg_id, room_id } = item.entry;
    this.#hooks.transmit({ type: "send", client_msg_id, room_id, ...draftOf(item.entry) }).then(
      ack => this.#committed(item, ack),
      error => this.#failed(item, error),
    );
  }

  #committed(item: Item, ack: SendAckFrame): void {
    if (this.#closed !== null) return;
    const entry = shown(item);
    this.#take(item);
    void this.#storing(() => this.#storage.remove(entry.client_msg_id));
    item.resolve(ack);
    this.#changed();
    this.#hooks.sent({ entry, ack });
    this.#next(entry.room_id);
  }

  #failed(item: Item, error: ParleyError): void {
    if (this.#closed !== null) return;
    item.sending = false;
    if (error.code === "disconnected") {
      item.unknown = true;
      this.#changed();
      return this.#next(item.entry.room_id);
    }
    if (!TRY_AGAIN.includes(error.code)) return this.#refuse(item, error);
    // `unavailable` may come after the commit; the others mean that nothing was written.
    item.unknown ||= error.code === "unavailable";
    const wait = error.retryAfterMs === undefined ? item.backoff.next() : error.retryAfterMs + LATER_MS;
    item.retryAt = Date.now() + wait;
    item.timer = setTimeout(() => {
      item.timer = item.retryAt = undefined;
      this.#next(item.entry.room_id);
    }, wait);
    this.#changed();
  }

  #refuse(item: Item, error: ParleyError): void {
    const refusal: Refusal = { code: error.code, detail: error.detail, errors: error.errors };
    this.#take(item);
    item.entry = { ...item.entry, refusal };
    this.#refused.push(item.entry);
    void this.#storing(() => this.#storage.save(item.entry));
    item.reject(error);
    this.#changed();
    this.#next(item.entry.room_id);
  }

  // -- queues

  #item(entry: StoredEntry): Item {
    const { promise, resolve, reject } = withResolvers<SendAckFrame>();
    // Who does not look at the promise sees the refusal among the entries.
    promise.catch(() => undefined);
    const backoff = new Backoff(FIRST_PAUSE_MS, LONGEST_PAUSE_MS, this.#random);
    return {
      entry,
      promise,
      resolve,
      reject,
      kept: false,
      sending: false,
      unknown: false,
      retryAt: undefined,
      timer: undefined,
      backoff,
    };
  }

  #queue(roomId: string): Item[] {
    const queue = this.#rooms.get(roomId) ?? [];
    this.#rooms.set(roomId, queue);
    return queue;
  }

  #take(item: Item): void {
    clearTimeout(item.timer);
    const rest = this.#queue(item.entry.room_id).filter(other => other !== item);
    if (rest.length) this.#rooms.set(item.entry.room_id, rest);
    else this.#rooms.delete(item.entry.room_id);
  }

  /** An earlier run's go before all of one's own; those of a tab that was closed, by when they were written. */
  #inherit = async (stored: StoredEntry): Promise<void> => {
    const entry = { ...stored, owner: this.#owner };
    await this.#storing(() => this.#storage.save(entry));
    if (entry.refusal !== undefined) {
      this.#refused.push(entry);
      return;
    }
    // Another run may have sent it.
    const item = { ...this.#item(entry), kept: true, unknown: true };
    const queue = this.#queue(entry.room_id);
    const later = queue.findIndex(other =>
      this.#ready ? !other.sending && !other.unknown && other.entry.order > entry.order : !other.kept,
    );
    queue.splice(later < 0 ? queue.length : later, 0, item);
  };

  #nextOrder(): number {
    this.#lastOrder = Math.max(this.#lastOrder + 1, Date.now() * 1000);
    return this.#lastOrder;
  }

  #changed(): void {
    const items = [...this.#rooms.values()].flat().map(item => ({ order: item.entry.order, entry: shown(item) }));
    const refused = this.#refused.map(entry => ({
      order: entry.order,
      entry: { ...plain(entry), state: "refused" as const },
    }));
    this.#entries.set([...items, ...refused].sort((one, other) => one.order - other.order).map(({ entry }) => entry));
  }

  // -- storage

  /** Shows the other tabs that this client lives, for as long as it does. */
  async #own(): Promise<void> {
    const { promise: held, resolve } = withResolvers<void>();
    const over = new Promise<void>(done => this.#closing.signal.addEventListener("abort", () => done()));
    this.#locks
      .request(lockOf(this.#owner), {}, async () => {
        resolve();
        await over;
      })
      .catch(error => {
        this.#hooks.storageFailed(error);
        resolve();
      });
    await held;
  }

  async #keep(item: Item): Promise<void> {
    item.entry = { ...item.entry, user_id: this.#userId ?? "" };
    await this.#storing(() => this.#storage.save(item.entry));
    item.kept = true;
    this.#next(item.entry.room_id);
  }

  async #stored(): Promise<StoredEntry[]> {
    const all = (await this.#storing(() => this.#storage.load())) ?? [];
    return all.filter(entry => entry.user_id === this.#userId).sort((one, other) => one.order - other.order);
  }

  async #storing<T>(work: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      this.#hooks.storageFailed(error);
      return undefined;
    }
  }
}

const lockOf = (owner: string): string => `parley:outbox:${owner}`;

function draftOf(entry: Draft): Draft {
  const { body, format, thread_root_id, media_ids } = entry;
  return {
    body,
    ...(format === undefined ? {} : { format }),
    ...(thread_root_id === undefined ? {} : { thread_root_id }),
    ...(media_ids === undefined ? {} : { media_ids }),
  };
}

function plain(entry: StoredEntry) {
  const { order, user_id, owner, ...rest } = entry;
  return rest;
}

const shown = (item: Item): OutboxEntry => ({
  ...plain(item.entry),
  state: item.sending ? "sending" : "waiting",
  ...(item.retryAt === undefined ? {} : { retry_at: item.retryAt }),
});

/** Also where crypto.randomUUID is not: a page over HTTP that does not come from localhost. */
function uuid(): string {
  if (crypto.randomUUID !== undefined) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map(byte => byte.toString(16).padStart(2, "0")).join("");
}

function withResolvers<T>() {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: ParleyError) => void = () => undefined;
  const promise = new Promise<T>((done, failed) => {
    resolve = done;
    reject = failed;
  });
  return { promise, resolve, reject };
}
