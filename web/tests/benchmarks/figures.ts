/** What was measured, for tests/benchmarks/web.py, which makes a table of it. */

import { readFile, writeFile } from "node:fs/promises";

export interface Figures {
  /** Messages in the rooms, minutes of the last load. */
  room: number;
  long: number;
  minutes: number;
  /**
   * From the click to the frame that shows the newest message, in ms. first: nothing of the room is loaded, and no message was drawn
   * in this visit yet. unread: the same, and something in it is unread. next: nothing of it is loaded, from a room that was read before.
   * again: it was shown before.
   */
  click: { first: number[]; unread: number[]; next: number[]; again: number[] };
  /** From the key to the message in the page, and to the frame that shows it, in ms. */
  own: { drawn: number[]; painted: number[] };
  /** Between frames while one scrolls, in ms. loaded: through what is loaded; loading: into what has to be read first. */
  frames: { loaded: number[]; loading: number[] };
  /** Messages in the page's list when it was scrolled. */
  listed: number;
  /** Of the page, after collection of garbage; at: in minutes. */
  memory: { at: number; heap: number; nodes: number; messages: number }[];
}

const FILE = process.env["PARLEY_FIGURES"] ?? "";

/** Adds to what was measured so far. */
export async function note(more: Partial<Figures>): Promise<void> {
  const before = await readFile(FILE, "utf8").then(JSON.parse, () => ({}));
  await writeFile(FILE, JSON.stringify({ ...before, ...more }));
}
