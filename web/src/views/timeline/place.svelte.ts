/** Where one is in a room's messages: at the newest, which are followed, or somewhere in its history. */

import { tick } from "svelte";
import type { VirtualizerHandle } from "virtua/svelte";
import type { Timeline } from "../../store/timeline.ts";
import type { Row } from "./rows.ts";

const KEPT_IN_VIEW = 400;
const KEPT_IN_LIST = 600;
/** So near the end counts as being there. */
const NEAR_PX = 40;
const LOAD_PX = 900;
/** A wheel, a finger or a key moves the list for so long. */
const TOUCH_MS = 1_000;
/** So often the way to a place is corrected on arrival. */
const TURNS = 4;
/** What stands above the first unread message when one arrives there. */
const ABOVE_NEW_PX = 80;

export type List = Pick<
  VirtualizerHandle,
  "findItemIndex" | "getScrollOffset" | "getScrollSize" | "getViewportSize" | "scrollToIndex"
>;

export interface Shown {
  rows: readonly Row[];
  /** They are the newest. */
  present: boolean;
}

export interface PlaceOf {
  timeline: Pick<Timeline, "around" | "isPresent" | "newer" | "older" | "narrow" | "present" | "trim">;
  shown: () => Shown;
  list: () => List | undefined;
  scroller: () => HTMLElement | undefined;
  /** Other rows may be in sight now. */
  moved: () => void;
  /** Up to where one had read when one came, if there was more. */
  readSeq: number | null;
  /** One has come for a certain message. */
  jumps: boolean;
}

export class Place {
  /** New messages are followed, and count as read. Not before it is known where one begins. */
  follows = $state(false);
  /** What is seen is what one has come for. Before that nothing counts as read, and nothing is read on. */
  placed = $state(false);
  /** All rows are in the list. Before that those from where one arrives, which are there the sooner. */
  whole = $state(true);
  readonly #of: PlaceOf;
  #arrived = false;
  /** One goes to one place at a time: so many ways were begun. */
  #ways = 0;
  #touched = Number.NEGATIVE_INFINITY;
  #before = { offset: 0, size: 0 };

  constructor(of: PlaceOf) {
    this.#of = of;
    this.follows = of.readSeq === null && !of.jumps;
    this.whole = of.jumps || !of.timeline.isPresent;
  }

  /** Rows are there, or have changed. `jumps`: where one goes is decided by `goTo`. */
  drawn(jumps: boolean): void {
    if (!this.#arrived) {
      this.#arrived = true;
      if (!jumps) void this.arrive();
    } else if (this.follows && this.#of.shown().present) void this.toEnd();
  }

  /** At the first unread message, otherwise at the newest. */
  async arrive(): Promise<void> {
    const { timeline, shown, list, readSeq } = this.#of;
    this.#arrived = true;
    await tick();
    if (readSeq !== null) {
      // Who was away for long begins where he stopped, and not where the newest page happens to begin.
      await timeline.around(Math.max(1, readSeq));
      // Somebody has gone to the newest meanwhile: there he stays.
      if (this.placed) return this.follows ? this.toPresent() : undefined;
      await tick();
    }
    if (!list()) return;
    const at = shown().rows.findIndex(({ kind }) => kind === "new");
    if (at >= 0) {
      // Heights are known only once lines are drawn, and what is drawn follows from where one is.
      for (let turn = 0; turn < TURNS; turn++) {
        list()?.scrollToIndex(at, { align: "start", offset: -ABOVE_NEW_PX });
        await settled();
      }
      this.whole = true;
      await settled();
    } else {
      this.follows = shown().present;
      for (let turn = 0; turn < TURNS && this.follows; turn++) await this.toEnd();
      this.whole = true;
      if (this.follows) await this.toEnd();
    }
    this.placed = true;
    this.scrolled();
  }

  /** Shows a message of the room itself; false if it is not there, or one has gone elsewhere meanwhile. */
  async goTo(message: { id: string; seq: number }): Promise<boolean> {
    const { timeline, shown, list } = this.#of;
    this.#ways += 1;
    const way = this.#ways;
    this.whole = true;
    // Lines that come above while one is still at the newest move the list: nobody follows it for that.
    this.follows = this.placed = false;
    await timeline.around(message.seq);
    await tick();
    if (way !== this.#ways) return false;
    this.#arrived = true;
    const at = shown().rows.findIndex(row => row.kind === "message" && row.message.id === message.id);
    // Heights are known only once lines are drawn.
    for (let turn = 0; turn < 2 && at >= 0 && way === this.#ways; turn++) {
      list()?.scrollToIndex(at, { align: "center" });
      await settled();
    }
    if (way !== this.#ways) return false;
    this.placed = true;
    return at >= 0;
  }

  async toPresent(): Promise<void> {
    this.#ways += 1;
    this.follows = this.placed = this.whole = true;
    await this.#of.timeline.present();
    await this.toEnd();
  }

  /** The room is opened once more: where one had stopped reading when one came, if there is more since, else at the newest. */
  async again(unread: boolean): Promise<void> {
    if (!unread || this.#of.readSeq === null) return this.toPresent();
    this.#ways += 1;
    this.placed = this.follows = false;
    await this.arrive();
  }

  /** To the last row of what is there. */
  async toEnd(): Promise<void> {
    const { shown, list, scroller } = this.#of;
    await tick();
    if (!this.follows) return;
    const { rows } = shown();
    if (rows.length > 0) list()?.scrollToIndex(rows.length - 1, { align: "end" });
    await settled();
    const node = scroller();
    if (this.follows && node) node.scrollTop = node.scrollHeight;
  }

  /** By a key, to a row that may be out of sight. */
  async reveal(at: number): Promise<void> {
    this.touch();
    this.#of.list()?.scrollToIndex(at, { align: "nearest" });
    await settled();
  }

  /** Somebody's wheel, finger or key moves the list from now on. */
  touch = (): void => {
    this.#touched = performance.now();
  };

  /** The list has moved, whoever moved it. */
  scrolled = (): void => {
    const list = this.#of.list();
    // It may be gone while one was on the way.
    if (!list || !this.placed) return;
    const { rows, present } = this.#of.shown();
    const offset = list.getScrollOffset();
    const size = list.getScrollSize();
    const rest = size - offset - list.getViewportSize();
    const left = this.#hasLeft(offset, size);
    if (!present || (rest >= NEAR_PX && left)) this.follows = false;
    else if (rest < NEAR_PX) this.follows = true;
    if (offset < LOAD_PX) void this.#further("older");
    if (!present && rest < LOAD_PX) void this.#further("newer");
    if (this.follows && rows.length > KEPT_IN_VIEW * 2) this.#of.timeline.trim(KEPT_IN_VIEW);
    this.#of.moved();
  };

  /** Only who scrolls is somewhere else. The list moves also because lines come or get their heights, and then it is followed. */
  #hasLeft(offset: number, size: number): boolean {
    const up = offset < this.#before.offset && size === this.#before.size;
    this.#before = { offset, size };
    return up || performance.now() - this.#touched < TOUCH_MS;
  }

  /** Reads on. However long the history, the list holds as much of it as makes no difference to who scrolls. */
  async #further(direction: "older" | "newer"): Promise<void> {
    const { timeline } = this.#of;
    await timeline[direction]();
    // The list can add at one end and take away at the other, but not both at once.
    await tick();
    timeline.narrow(direction === "older" ? "oldest" : "newest", KEPT_IN_LIST);
  }

  /** Up to which message one has seen them, `head` being the newest; null if none is in sight. */
  seen(head: number): number | null {
    const list = this.#of.list();
    const { rows } = this.#of.shown();
    if (!this.placed || !list || rows.length === 0) return null;
    if (this.follows) return head;
    const last = list.findItemIndex(list.getScrollOffset() + list.getViewportSize() - 8);
    const row = rows.slice(0, last + 1).findLast(({ kind }) => kind === "message");
    return row?.kind === "message" ? row.message.seq : null;
  }
}

/** What was drawn has its heights. */
export const settled = (): Promise<void> =>
  new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(() => resolve())));
