/** What the browser keeps between visits, in IndexedDB: the outbox, and what was last seen, so that a page shows it at once. */

import type { Me, Message, MyRoom, OutboxStorage, Resume, StoredEntry, User } from "@parley/client";
import { MemoryOutbox } from "@parley/client";
import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import type { KnownReceipts } from "./facts.ts";

/** The newest messages of a room as they were after event `seq` of its stream. */
export interface StoredWindow {
  room_id: string;
  epoch: string;
  seq: number;
  /** There are messages before the first one. */
  older: boolean;
  messages: Message[];
  /** Who has them; undefined if that is not known of anybody. */
  receipts?: KnownReceipts | undefined;
}

/** What one user last saw. */
export interface Remembered {
  userId: string;
  me: Me | null;
  rooms: MyRoom[];
  users: User[];
  windows: StoredWindow[];
  /** The room that was looked at last. */
  room: string | null;
  /** From where the client goes on. */
  positions: Resume | null;
}

/** What is kept of a visit, besides the windows that have changed. */
export interface Kept {
  me: Me | null;
  rooms: MyRoom[];
  users: User[];
  /** The room that was looked at last; undefined from a build that did not note it. */
  room?: string | null;
  /** Of one's own stream. */
  epoch: string | null;
  userSeq: number | null;
}

interface Schema extends DBSchema {
  outbox: { key: string; value: StoredEntry };
  windows: { key: string; value: StoredWindow };
  state: { key: string; value: { name: "visit"; userId: string; kept: Kept } };
}

type Database = IDBPDatabase<Schema>;

const VERSION = 1;
const DEVICE = "parley.device";
/** A browser may leave the question open for ever, and the page waits for it before it shows anything. */
const OPEN_MS = 5_000;

/** All tabs share it. A browser that refuses storage costs what it would have remembered, and nothing else. */
export class Cache {
  readonly outbox: OutboxStorage;
  readonly deviceId: string;
  #database: Database | null;
  #userId: string | null = null;

  private constructor(database: Database | null) {
    this.#database = database;
    this.deviceId = deviceId();
    this.outbox = database === null ? new MemoryOutbox() : new StoredOutbox(() => this.#database);
  }

  static async open(name = "parley"): Promise<Cache> {
    let cache: Cache | null = null;
    try {
      const opening = openDB<Schema>(name, VERSION, {
        upgrade(fresh) {
          fresh.createObjectStore("outbox", { keyPath: "client_msg_id" });
          fresh.createObjectStore("windows", { keyPath: "room_id" });
          fresh.createObjectStore("state", { keyPath: "name" });
        },
        // A tab with a newer build waits for this one to let go: go on without, rather than hold it up.
        blocking: (_, __, event) => {
          (event.target as IDBDatabase).close();
          cache?.drop();
        },
        terminated: () => cache?.drop(),
      });
      cache = new Cache(await inTime(opening));
    } catch {
      cache = new Cache(null);
    }
    return cache;
  }

  /** The database is gone; what was kept in it is read no more. */
  drop(): void {
    this.#database = null;
  }

  close(): void {
    this.#database?.close();
    this.drop();
  }

  /** Of the last visit, null after signing out. */
  async last(): Promise<Remembered | null> {
    const visit = await this.#safely(database => database.get("state", "visit"));
    if (visit === undefined) return null;
    const { userId, kept } = visit;
    const stored = (await this.#safely(database => database.getAll("windows"))) ?? [];
    // Another epoch is another history.
    const windows = stored.filter(window => window.epoch === kept.epoch);
    const at = Object.fromEntries(windows.map(window => [`room:${window.room_id}`, window.seq]));
    if (kept.userSeq !== null) at[`user:${userId}`] = kept.userSeq;
    this.#userId = userId;
    return {
      userId,
      me: kept.me,
      rooms: kept.rooms,
      users: kept.users,
      windows,
      room: kept.room ?? null,
      positions: kept.epoch === null ? null : { epoch: kept.epoch, at },
    };
  }

  /** A visit of this user, of whom nothing is known here; what another one has left is removed. */
  async begin(userId: string): Promise<void> {
    await this.forget();
    this.#userId = userId;
  }

  /** Everything but messages that are not sent yet, which are their writer's and wait for him. */
  async forget(): Promise<void> {
    this.#userId = null;
    await this.#safely(async database => {
      const change = database.transaction(["windows", "state"], "readwrite");
      await Promise.all([change.objectStore("windows").clear(), change.objectStore("state").clear(), change.done]);
    });
  }

  /** Windows and positions go together: one without the other would be a gap that nobody sees. */
  async save(kept: Kept, windows: readonly StoredWindow[], gone: readonly string[]): Promise<void> {
    const userId = this.#userId;
    if (userId === null) return;
    await this.#safely(async database => {
      const change = database.transaction(["windows", "state"], "readwrite");
      const store = change.objectStore("windows");
      const work: Promise<unknown>[] = [change.objectStore("state").put({ name: "visit", userId, kept }), change.done];
      for (const window of windows) work.push(store.put(window));
      for (const roomId of gone) work.push(store.delete(roomId));
      await Promise.all(work);
    });
  }

  async #safely<T>(work: (database: Database) => Promise<T>): Promise<T | undefined> {
    if (this.#database === null) return undefined;
    try {
      return await work(this.#database);
    } catch {
      // Full, or torn down by the browser: the page lives on the server's answers alone.
      return undefined;
    }
  }
}

class StoredOutbox implements OutboxStorage {
  readonly #database: () => Database | null;

  constructor(database: () => Database | null) {
    this.#database = database;
  }

  async load(): Promise<StoredEntry[]> {
    return (await this.#database()?.getAll("outbox")) ?? [];
  }

  async save(entry: StoredEntry): Promise<void> {
    // A copy without proxies: what is stored is plain data.
    await this.#database()?.put("outbox", JSON.parse(JSON.stringify(entry)));
  }

  async remove(clientMsgId: string): Promise<void> {
    await this.#database()?.delete("outbox", clientMsgId);
  }
}

/** The same one at each visit, so that the connection log tells this browser from one's others. */
function deviceId(): string {
  const fresh = Array.from(crypto.getRandomValues(new Uint8Array(12)), byte => byte.toString(16).padStart(2, "0")).join(
    "",
  );
  try {
    const found = localStorage.getItem(DEVICE);
    if (found !== null) return found;
    localStorage.setItem(DEVICE, fresh);
  } catch {
    // A private window: another one at each visit.
  }
  return fresh;
}

/** The database, or null if it has not come by then; it is let go when it comes after all. */
async function inTime(opening: Promise<Database>): Promise<Database | null> {
  let late: ReturnType<typeof setTimeout> | undefined;
  const nothing = new Promise<null>(resolve => {
    late = setTimeout(() => resolve(null), OPEN_MS);
  });
  const database = await Promise.race([opening, nothing]);
  clearTimeout(late);
  if (database === null) {
    opening.then(
      found => found.close(),
      () => undefined,
    );
  }
  return database;
}
