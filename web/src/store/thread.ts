/** A root and its replies. */

import type { AnyEvent, Api, Image, Message, OutboxEntry, SendAckFrame } from "@parley/client";
import { apply, echo, fromEvent, isMessageChange, newer } from "./message.ts";
import { Reading } from "./reading.ts";
import { Run } from "./run.ts";
import { Topic } from "./topic.ts";

export interface ThreadApi {
  messages: Pick<Api["messages"], "thread" | "follow" | "unfollow">;
}

export class Thread extends Topic {
  readonly roomId: string;
  readonly rootId: string;
  readonly #me: string;
  readonly #api: ThreadApi;
  readonly #reading = new Reading();
  #root: Message | null = null;
  #replies: Run | null = null;
  #following = false;
  #error: unknown = null;

  constructor(roomId: string, rootId: string, me: string, api: ThreadApi) {
    super();
    this.roomId = roomId;
    this.rootId = rootId;
    this.#me = me;
    this.#api = api;
  }

  get root(): Message | null {
    return this.#root;
  }

  /** Null until they are read. */
  get replies(): readonly Message[] | null {
    return this.#replies?.messages ?? null;
  }

  get following(): boolean {
    return this.#following;
  }

  get error(): unknown {
    return this.#error;
  }

  /** All of it, page by page. */
  async load(): Promise<void> {
    try {
      const [, heard] = await this.#reading.whileHearing(async () => {
        const found: Message[] = [];
        let cursor: string | null | undefined;
        do {
          const of = cursor == null ? { limit: 200 } : { limit: 200, cursor };
          const page = await this.#api.messages.thread(this.roomId, this.rootId, of);
          this.#root = page.root;
          this.#following = page.following;
          found.push(...page.items);
          cursor = page.next;
        } while (cursor != null);
        this.#replies = new Run(found, { older: false, newer: false });
      });
      this.#error = null;
      for (const { event } of heard) this.#take(event);
    } catch (error) {
      this.#error = error;
    }
    this.changed();
  }

  async follow(on: boolean): Promise<void> {
    await this.#api.messages[on ? "follow" : "unfollow"](this.roomId, this.rootId);
    this.#following = on;
    this.changed();
  }

  /** One's own reply is committed. */
  sent(entry: OutboxEntry, ack: SendAckFrame, media: Image[]): void {
    if (
      entry.thread_root_id !== this.rootId ||
      this.#replies === null ||
      this.#replies.get(ack.message_id) !== undefined
    )
      return;
    this.#replies.put(echo(this.#me, entry, ack, media));
    this.changed();
  }

  /** A message's state as an answer of the server told it. */
  take(message: Message): void {
    const known = this.#replies?.get(message.id);
    if (known !== undefined) this.#replies?.put(newer(known, message));
    if (this.#root?.id === message.id) this.#root = newer(this.#root, message);
    this.changed();
  }

  apply(seq: number, event: AnyEvent): void {
    this.#reading.hear(seq, event);
    if (this.#replies !== null && this.#take(event)) this.changed();
  }

  #take(event: AnyEvent): boolean {
    const replies = this.#replies;
    if (replies === null) return false;
    if (event.kind === "message.created") {
      const { message } = event;
      if (message.thread_root_id !== this.rootId) return false;
      replies.put(fromEvent(message, replies.get(message.id), this.#me));
      // Who answers follows, the server says.
      if (message.sender_id === this.#me) this.#following = true;
      return true;
    }
    if (!isMessageChange(event)) return false;
    if (event.message_id === this.rootId && this.#root !== null) {
      this.#root = apply(this.#root, event, this.#me);
      return true;
    }
    const known = replies.get(event.message_id);
    if (known === undefined) return false;
    replies.put(apply(known, event, this.#me));
    return true;
  }
}
