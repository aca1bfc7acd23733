/** The messages of one room, as far as they are loaded: the newest, and where one has jumped to. */

import type { AnyEvent, Api, Image, Message, MyRoom, OutboxEntry, SendAckFrame } from "@parley/client";
import { apply, echo, fromEvent, isMessageChange, newer } from "./message.ts";
import { Reading } from "./reading.ts";
import { Run } from "./run.ts";
import { Topic } from "./topic.ts";

const PAGE = 50;
/** A reply count that may be wrong is read again after so long. */
const AGAIN_MS = 1_000;
/** What could not be read when too much was missed is tried again after so long, on average. */
const RESYNC_MS = 5_000;

export type Direction = "first" | "older" | "newer" | "jump";

export interface TimelineApi {
  messages: Pick<Api["messages"], "page" | "get">;
}

export class Timeline extends Topic {
  readonly roomId: string;
  readonly #me: string;
  readonly #api: TimelineApi;
  readonly #reading: Reading;
  /** The newest messages; null until they are read. */
  #live: Run | null;
  /** Somewhere else in the room's history. */
  #elsewhere: Run | null = null;
  #busy = new Set<Direction>();
  #beginning: Promise<void> | null = null;
  #opening: Promise<void> | null = null;
  #error: unknown = null;
  readonly #doubted = new Set<string>();
  #again: ReturnType<typeof setTimeout> | undefined;
  #isWhole = true;
  #isClosed = false;
  #resyncing: ReturnType<typeof setTimeout> | undefined;

  constructor(roomId: string, me: string, api: TimelineApi, live: Run | null = null, reading = new Reading()) {
    super();
    this.roomId = roomId;
    this.#me = me;
    this.#api = api;
    this.#live = live;
    this.#reading = reading;
  }

  /** What is shown; null until something is there. */
  get run(): Run | null {
    return this.#elsewhere ?? this.#live;
  }

  get live(): Run | null {
    return this.#live;
  }

  get messages(): readonly Message[] {
    return this.run?.messages ?? [];
  }

  /** Without a hole, as far as is known: only then is it kept for the next visit. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** It shows the newest messages, and new ones as they come. */
  get isPresent(): boolean {
    return this.#elsewhere === null;
  }

  /** Of the last attempt to read, null if that went well. */
  get error(): unknown {
    return this.#error;
  }

  isBusy(direction: Direction): boolean {
    return this.#busy.has(direction);
  }

  get(id: string): Message | undefined {
    return this.#elsewhere?.get(id) ?? this.#live?.get(id);
  }

  // -- reading

  /** The page where one begins, and the newest: what one had read lies further up, if more has come since than one page holds. */
  async begin({ unread, read_seq }: Pick<MyRoom, "unread" | "read_seq">): Promise<void> {
    if (this.run === null && unread > PAGE) {
      this.#beginning ??= this.around(Math.max(1, read_seq)).finally(() => {
        this.#beginning = null;
      });
      await this.#beginning;
    }
    await this.open();
  }

  /** The newest page, unless it is there or on its way. */
  async open(): Promise<void> {
    if (this.#live !== null) return;
    this.#opening ??= this.#load("first", {}, (page, more) => {
      this.#live = new Run(page, { older: more, newer: false });
    }).finally(() => {
      this.#opening = null;
    });
    await this.#opening;
  }

  async older(): Promise<void> {
    const { run } = this;
    const from = run?.first?.seq;
    if (run === null || !run.older || from === undefined) return;
    await this.#load("older", { before: from }, (page, more) => {
      // Cut meanwhile: what was read does not reach to what is left.
      if (run.first?.seq !== from) return;
      for (const message of page) put(run, message);
      run.older = more;
    });
  }

  async newer(): Promise<void> {
    const run = this.#elsewhere;
    const from = run?.last?.seq;
    if (run === null || from === undefined) return;
    await this.#load("newer", { after: from }, (page, more) => {
      if (run.last?.seq !== from) return;
      for (const message of page) put(run, message);
      // Where both meet they become one.
      const { first } = this.#live ?? {};
      if (!more || (first !== undefined && run.spans(first.seq))) this.#join(run);
    });
  }

  /** Shows what is around that message; one that is loaded is only looked up. */
  async around(seq: number): Promise<void> {
    if (this.#live?.spans(seq)) {
      this.#elsewhere = null;
      this.changed();
    } else if (!this.#elsewhere?.spans(seq)) {
      await this.#load("jump", { around: seq }, page => {
        this.#elsewhere = new Run(page, { older: true, newer: true });
        const { first } = this.#live ?? {};
        if (first !== undefined && this.#elsewhere.spans(first.seq)) this.#join(this.#elsewhere);
      });
    }
  }

  /** Back to the newest messages. */
  async present(): Promise<void> {
    this.#elsewhere = null;
    this.changed();
    await this.open();
  }

  /** Too much was missed: what is here is no longer known to be whole. Reads it again if it is looked at, until that goes well. */
  async resync(lookedAt: boolean): Promise<void> {
    clearTimeout(this.#resyncing);
    this.#isWhole = !lookedAt;
    if (!lookedAt) {
      this.#live = this.#elsewhere = null;
      this.changed();
      return;
    }
    // The old ones stay on the screen until the new ones are there.
    await this.#load("first", {}, (page, more) => {
      this.#live = new Run(page, { older: more, newer: false });
      this.#elsewhere = null;
      this.#isWhole = true;
    });
    if (this.#isWhole || this.#isClosed) return;
    clearTimeout(this.#resyncing);
    this.#resyncing = setTimeout(() => void this.resync(true), RESYNC_MS * (0.5 + Math.random()));
  }

  /** Keeps the newest only, where nobody looks further up. */
  trim(most: number): void {
    if (this.#live?.trim(most) && this.isPresent) this.changed();
  }

  /**
   * Keeps so many of what is shown, where one scrolls through a long history: the oldest, who goes upwards, or the newest. What is
   * left out is read again when one comes there.
   */
  narrow(kept: "oldest" | "newest", most: number): void {
    const { run } = this;
    if (run === null || run.length <= most) return;
    if (kept === "newest") run.trim(most);
    else if (run !== this.#live) run.cut(most);
    else {
      this.#elsewhere = new Run(run.messages.slice(0, most), { older: run.older, newer: true });
      run.trim(most);
    }
    this.changed();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#again);
    clearTimeout(this.#resyncing);
  }

  // -- events

  apply(seq: number, event: AnyEvent): void {
    this.#reading.hear(seq, event);
    const found = [this.#live, this.#elsewhere].map(run => run !== null && this.#applyTo(run, event));
    if (found.includes(true)) this.changed();
  }

  #applyTo(run: Run, event: AnyEvent): boolean {
    if (event.kind === "message.created") {
      const { message } = event;
      if (message.thread_root_id !== null) return this.#count(run, message.thread_root_id);
      const known = run.get(message.id);
      if (known === undefined && !run.spans(message.seq)) return false;
      run.put(fromEvent(message, known, this.#me));
      return true;
    }
    if (!isMessageChange(event)) return false;
    const known = run.get(event.message_id);
    if (known === undefined) return false;
    const now = apply(known, event, this.#me);
    run.put(now);
    return now !== known;
  }

  /** A reply: one more, unless the root was read so lately that it may be counted already. */
  #count(run: Run, rootId: string): boolean {
    const root = run.get(rootId);
    if (root === undefined) return false;
    if (this.#reading.doubtful(rootId)) {
      this.#doubt(rootId);
      return false;
    }
    run.put({ ...root, reply_count: root.reply_count + 1 });
    return true;
  }

  #doubt(rootId: string): void {
    this.#doubted.add(rootId);
    this.#again ??= setTimeout(() => {
      this.#again = undefined;
      for (const id of this.#doubted) void this.refresh(id);
      this.#doubted.clear();
    }, AGAIN_MS);
  }

  /** Reads one message again, or one that is not loaded yet. Throws ParleyError `not_found`. */
  async refresh(id: string): Promise<Message | undefined> {
    try {
      const [read, heard] = await this.#reading.whileHearing(() => this.#api.messages.get(this.roomId, id));
      this.#reading.wasRead([id]);
      for (const run of [this.#live, this.#elsewhere]) if (run?.get(id) !== undefined) put(run, read);
      this.#replay(heard);
      this.changed();
      return this.get(id) ?? read;
    } catch {
      // What is shown stays; the next event or the next look tries again.
      return undefined;
    }
  }

  /** One's own message is committed: its ack may come before its event, which then brings the rest of it. */
  sent(entry: OutboxEntry, ack: SendAckFrame, media: Image[]): void {
    const run = this.#live;
    if (
      run === null ||
      !run.spans(ack.seq) ||
      run.get(ack.message_id) !== undefined ||
      entry.thread_root_id !== undefined
    )
      return;
    run.put(echo(this.#me, entry, ack, media));
    this.changed();
  }

  /** A message's state as an answer of the server told it: to an edit, say. */
  take(message: Message): void {
    for (const run of [this.#live, this.#elsewhere]) if (run?.get(message.id) !== undefined) put(run, message);
    this.changed();
  }

  async #load(
    direction: Direction,
    where: Parameters<TimelineApi["messages"]["page"]>[1],
    merge: (page: Message[], more: boolean) => void,
  ): Promise<void> {
    if (this.#busy.has(direction)) return;
    this.#busy.add(direction);
    this.#error = null;
    this.changed();
    try {
      const [page, heard] = await this.#reading.whileHearing(() =>
        this.#api.messages.page(this.roomId, { limit: PAGE, ...where }),
      );
      this.#reading.wasRead(page.items.map(({ id }) => id));
      merge(page.items, page.next != null);
      this.#replay(heard);
    } catch (error) {
      this.#error = error;
    } finally {
      this.#busy.delete(direction);
      this.changed();
    }
  }

  #replay(heard: readonly { event: AnyEvent }[]): void {
    for (const { event } of heard) {
      for (const run of [this.#live, this.#elsewhere]) if (run !== null) this.#applyTo(run, event);
    }
  }

  /** `run` reaches the newest messages: from here on it is what is shown and kept. */
  #join(run: Run): void {
    for (const message of this.#live?.messages ?? []) put(run, message);
    run.newer = false;
    this.#live = run;
    this.#elsewhere = null;
  }
}

function put(run: Run, message: Message): void {
  const known = run.get(message.id);
  run.put(known === undefined ? message : newer(known, message));
}
