/** What one is told of: mentions, replies, direct messages, invitations. */

import type { Api, ListedNotification, Notification } from "@parley/client";
import { Topic } from "./topic.ts";

const PAGE = 50;

export interface NotificationsApi {
  notifications: Pick<Api["notifications"], "list" | "readUpTo">;
}

export class Notifications extends Topic {
  readonly #api: NotificationsApi;
  /** The newest first. */
  #list: readonly ListedNotification[] | null = null;
  #next: string | null = null;
  #busy = false;
  /** What is told while a page is on its way, which may be older. */
  #told: (() => void)[] = [];
  #error: unknown = null;

  constructor(api: NotificationsApi) {
    super();
    this.#api = api;
  }

  /** Null until they are read. */
  get all(): readonly ListedNotification[] | null {
    return this.#list;
  }

  get hasMore(): boolean {
    return this.#next !== null;
  }

  get isBusy(): boolean {
    return this.#busy;
  }

  get error(): unknown {
    return this.#error;
  }

  /** The newest page, read anew. */
  async load(): Promise<void> {
    await this.#read(
      () => this.#api.notifications.list({ limit: PAGE }),
      page => {
        this.#list = page;
      },
    );
  }

  async more(): Promise<void> {
    const cursor = this.#next;
    if (cursor === null) return;
    await this.#read(
      () => this.#api.notifications.list({ limit: PAGE, cursor }),
      page => {
        const known = new Set(this.#list?.map(({ id }) => id));
        this.#list = [...(this.#list ?? []), ...page.filter(({ id }) => !known.has(id))];
      },
    );
  }

  /** Everything that is there, on all devices. */
  async readAll(): Promise<void> {
    const newest = this.#list?.[0];
    if (newest === undefined) return;
    await this.#api.notifications.readUpTo(newest.id);
    this.readUpTo(newest.id);
  }

  /** That one and those before it. Their ids are in the order of their making. */
  readUpTo(id: string): void {
    this.#tell(() => this.#markUpTo(id));
  }

  #markUpTo(id: string): void {
    const at = this.#list?.findIndex(found => found.id === id) ?? -1;
    this.#mark((found, position) => (at < 0 ? found.id <= id : position >= at));
  }

  /** What is said in a room is read when the room is, up to there; an invitation is not. */
  roomRead(roomId: string, seq: number): void {
    this.#tell(() =>
      this.#mark(found => found.room_id === roomId && found.message_id !== null && (found.message?.seq ?? 0) <= seq),
    );
  }

  add(notification: Notification): void {
    this.#tell(() => this.#put(notification));
  }

  #tell(change: () => void): void {
    if (this.#busy) this.#told.push(change);
    change();
  }

  #put(notification: Notification): void {
    if (this.#list === null || this.#list.some(({ id }) => id === notification.id)) return;
    const older = this.#list.findIndex(({ id }) => id < notification.id);
    // One that is told late may belong to a page that is not read yet.
    if (older < 0 && this.#next !== null) return;
    this.#list = this.#list.toSpliced(older < 0 ? this.#list.length : older, 0, { ...notification, message: null });
    this.changed();
  }

  #mark(which: (found: ListedNotification, at: number) => boolean): void {
    if (!this.#list?.some((found, at) => !found.read && which(found, at))) return;
    this.#list = this.#list.map((found, at) => (!found.read && which(found, at) ? { ...found, read: true } : found));
    this.changed();
  }

  async #read(
    read: () => ReturnType<NotificationsApi["notifications"]["list"]>,
    merge: (page: ListedNotification[]) => void,
  ): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    this.#error = null;
    this.changed();
    try {
      const page = await read();
      merge(page.items);
      this.#next = page.next ?? null;
      for (const change of this.#told) change();
    } catch (error) {
      this.#error = error;
    } finally {
      this.#busy = false;
      this.#told = [];
      this.changed();
    }
  }
}
